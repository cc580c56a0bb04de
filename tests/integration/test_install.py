# SPDX-License-Identifier: MIT
"""`cmake --install` into a directory of its own, and what authors do then: build a child against
the installed copy, with pkg-config and with find_package, shared and static, and run it under the
installed gateway."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import gateway
import tools
import wsclient
from gateway import BIN_DIR, REPOSITORY, Gateway

BUILD = BIN_DIR.parent
SOURCE = REPOSITORY / "tests" / "support" / "installed"
TIMEOUT_SECS = 120

CONFIG = """
pool "child"   { command = {"%s"}  children = 1  environment = {"LD_LIBRARY_PATH=%s"} }
route "/child" { pool = "child" }
"""


def run(*command, env=None):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False,
                          timeout=TIMEOUT_SECS, env={**os.environ, **(env or {})})
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def cache():
    """CMake's cache of the build under test."""
    path = BUILD / "CMakeCache.txt"
    if not path.is_file():
        tools.missing(f"{path}: a build by CMake")
    return dict(re.findall(r"^(\w+):\w+=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE))


class Installed:
    """The installed copy, and how to compile against it."""

    def __init__(self, directory):
        entries = cache()
        self.prefix = directory / "prefix"
        self.directory = directory
        self.compiler = entries["CMAKE_C_COMPILER"]
        self.flags = []
        if entries.get("BATON_SANITIZE") == "ON":  # the library needs the run-time of its build
            self.flags = ["-fsanitize=address,undefined"]
        run("cmake", "--install", BUILD, "--prefix", self.prefix)
        self.library = next(self.prefix.glob("lib*/**/libbaton.a"))
        self.env = {"PKG_CONFIG_PATH": str(self.library.parent / "pkgconfig")}

    def pkg_config(self, *words):
        return shlex.split(run("pkg-config", *words, env=self.env))

    def compile(self, name, *words):
        program = self.directory / name
        run(self.compiler, *self.flags, SOURCE / "child.c", "-o", program, *words)
        return program

    def with_pkg_config(self, is_static):
        words = self.pkg_config("--cflags", "--libs", "libbaton")
        if not is_static:
            return self.compile("pc-shared", *words)
        rest = self.pkg_config("--static", "--libs", "libcrypto", "zlib")
        return self.compile("pc-static", "-Wl,-Bstatic", *words, "-Wl,-Bdynamic", *rest, "-pthread")

    def lws_source(self):
        """Elsewhere: beside its header it would find that one first."""
        path = self.directory / "lws.c"
        path.write_bytes((REPOSITORY / "child" / "lws" / "example_echo.c").read_bytes())
        return path

    def cmake_build(self):
        build = self.directory / "cmake"
        if not build.is_dir():
            run("cmake", "-S", SOURCE, "-B", build, "-G", "Ninja",
                f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_C_COMPILER={self.compiler}",
                f"-DCMAKE_C_FLAGS={' '.join(self.flags)}", f"-DLWS_SOURCE={self.lws_source()}")
            run("cmake", "--build", build)
        return build

    def with_cmake(self, is_static):
        return self.cmake_build() / ("child-static" if is_static else "child-baton")

    def lws_with_pkg_config(self):
        program = self.directory / "lws"
        run(self.compiler, *self.flags, "-D_GNU_SOURCE", self.lws_source(), "-o", program,
            *self.pkg_config("--cflags", "--libs", "libbaton_lws"))
        return program

    def lws_with_cmake(self):
        return self.cmake_build() / "child-lws"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("install"))


def symbols(*command):
    names = {line.split()[-1].partition("@")[0] for line in run(*command).splitlines() if line}
    # Sanitizers and coverage add their own.
    return {name for name in names if not name.startswith(("_", "asan.", "ubsan."))}


def declared(header="libbaton/baton.h"):
    text = (REPOSITORY / "child" / header).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return set(re.findall(r"(baton_\w+)\s*\([^;{]*\);", text)) - {"baton_fn", "baton_fd_fn"}


def test_install_shows_the_symbols_of_the_header_and_no_others(installed):
    shared = symbols("nm", "-D", "--defined-only", installed.library.with_suffix(".so"))
    assert shared == declared()
    archive = run("nm", "-g", "--defined-only", installed.library)
    assert {line.split()[-1] for line in archive.splitlines() if " T " in line} == declared()
    assert [name for name in symbols("nm", "-g", "--defined-only", installed.library)
            if not name.startswith("baton_") and not name.endswith(":")] == []
    soname = run("objdump", "-p", installed.library.with_suffix(".so"))
    assert re.search(r"SONAME\s+libbaton\.so\.0$", soname, re.MULTILINE)


@pytest.mark.parametrize("header", ["libbaton/baton.h", "lws/baton_lws.h"])
def test_header_compiles_alone_and_links_from_cxx(tmp_path, header):
    path = REPOSITORY / "child" / header
    run(cache()["CMAKE_C_COMPILER"], "-std=c99", "-pedantic-errors", "-Wall", "-Werror",
        "-fsyntax-only", "-x", "c", path)
    if shutil.which("g++"):
        names = declared(header)
        calls = ", ".join(f"(void *){name}" for name in names)
        (tmp_path / "all.cc").write_text(f'#include "{path}"\nvoid *all[] = {{ {calls} }};\n',
                                         encoding="utf-8")
        run("g++", "-std=c++11", "-Wall", "-Werror", "-c", tmp_path / "all.cc", "-o",
            tmp_path / "all.o")
        assert symbols("nm", "-u", tmp_path / "all.o") == names  # as C names them


def test_installed_programs_run(installed):
    assert run(installed.prefix / "bin" / "baton", "--version").startswith("baton ")
    by_hand = subprocess.run([installed.prefix / "bin" / "baton-echo"], capture_output=True,
                             text=True, check=False, timeout=TIMEOUT_SECS)
    assert by_hand.returncode == 2
    assert "baton serve --child" in by_hand.stderr


@pytest.mark.parametrize("is_static", [False, True], ids=["shared", "static"])
@pytest.mark.parametrize("how", ["with_pkg_config", "with_cmake"])
def test_child_built_against_the_installed_library_serves(installed, monkeypatch, how, is_static):
    child = getattr(installed, how)(is_static)
    needed = run("objdump", "-p", child)
    assert ("libbaton.so.0" in needed) != is_static, needed
    monkeypatch.setattr(gateway, "BATON", installed.prefix / "bin" / "baton")
    library = "" if is_static else installed.library.parent
    with Gateway(CONFIG % (child, library)) as server:
        with wsclient.WebSocket(server.address(), "/child") as one, \
                wsclient.WebSocket(server.address(), "/child") as two:
            one.send_text("to all")
            assert one.receive_message() == two.receive_message() == (wsclient.TEXT, b"to all")
            one.close()
            two.close()
        server.wait_events("close", 2, code=1000)


@pytest.mark.parametrize("how", ["lws_with_pkg_config", "lws_with_cmake"])
def test_libwebsockets_program_built_against_the_installed_adapter_serves(
        installed, monkeypatch, how):
    archive = installed.library.with_name("libbaton_lws.a")
    if not archive.exists():
        tools.missing("libbaton_lws.a: a build with libwebsockets")
    names = {line.split()[-1] for line in run("nm", "-g", "--defined-only", archive).splitlines()
             if " T " in line}
    assert names == declared("lws/baton_lws.h")
    child = getattr(installed, how)()
    monkeypatch.setattr(gateway, "BATON", installed.prefix / "bin" / "baton")
    with Gateway(CONFIG % (child, "")) as server, \
            wsclient.WebSocket(server.address(), "/child") as client:
        client.send_text("echo")
        assert client.receive_message() == (wsclient.TEXT, b"echo")


def test_demo_page_is_installed(installed):
    assert (installed.prefix / "share" / "baton" / "www" / "index.html").is_file()


def test_install_can_be_moved(installed, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(installed.prefix, moved, symlinks=True)
    env = {"PKG_CONFIG_PATH": str(next(Path(moved).glob("lib*/**/pkgconfig")))}
    flags = run("pkg-config", "--cflags", "--libs", "libbaton", env=env)
    assert os.path.realpath(shlex.split(flags)[0][2:]) == os.path.realpath(moved / "include")
