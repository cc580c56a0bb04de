# SPDX-License-Identifier: MIT
"""The command line: what it prints, how it exits (0 ok, 1 runtime failure, 2 usage or
configuration), and that every sentence names file and line."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

import wsclient
from gateway import BIN_DIR, TIMEOUT_SECS, Gateway, environment, run_baton

GOOD = """\
listen "127.0.0.1:0" { health = "/healthz" }
pool "echo" { command = {"baton-echo"} }
route "/echo" { pool = "echo" }
"""

# (what is wrong, the text, line of the message or None where the fault has none, a word in it)
BROKEN = [
    ("unknown word", GOOD + "colour = 3\n", 4, "colour"),
    ("unknown word in a section", GOOD.replace("health", "helth"), 1, "helth"),
    ("bad number", GOOD.replace('{"baton-echo"}', '{"baton-echo"} children = many'), 2, None),
    ("no children", GOOD.replace('{"baton-echo"}', '{"baton-echo"} children = 0'), 2, "children"),
    ("negative number", GOOD.replace('{"baton-echo"}', '{"baton-echo"} children = -1'), 2,
     "children"),
    ("bad duration", GOOD + 'limits { head_timeout = "soon" }\n', 4, "head_timeout"),
    ("bad address", GOOD.replace("127.0.0.1:0", "127.0.0.1"), 1, "127.0.0.1"),
    ("repeated key", GOOD.replace('{"baton-echo"}', '{"a"} command = {"b"}'), 2, "command"),
    ("repeated pool", GOOD + 'pool "echo" { command = {"x"} }\n', 4, "echo"),
    ("repeated route", GOOD + 'route "/echo" { pool = "echo" }\n', 4, "/echo"),
    ("no such pool", GOOD.replace('pool = "echo"', 'pool = "ecco"'), 3, "ecco"),
    ("pool without command", GOOD + 'pool "idle" {}\n', 4, "command"),
    ("route without a slash", GOOD + 'route "echo2" { pool = "echo" }\n', 4, "echo2"),
    ("unclosed section", GOOD + 'pool "late" {\n  command = {"x"}\n', None, None),
    ("unclosed comment", GOOD + "/* and so on\n", None, None),
    ("no listener", GOOD.split("\n", 1)[1], None, "listen"),
    ("empty file", "", None, None),
]


def test_help_names_the_commands():
    for args in (["--help"], ["help"]):
        result = run_baton(*args)
        assert result.returncode == 0, result.stderr
        for word in ("serve", "check", "status", "connections", "stop", "--child"):
            assert word in result.stdout


def test_version_is_one_line():
    result = run_baton("--version")
    assert result.returncode == 0
    assert re.fullmatch(r"baton \d+\.\d+\S*\n", result.stdout)


@pytest.mark.parametrize("args", [["juggle"], ["--juggle"], ["serve", "--juggle"], ["status", "x"],
                                  ["serve", "--port"], ["serve", "--child", "x", "--port", "99999"],
                                  ["check"], ["status", "--control", ""],
                                  ["serve", "--child", "x", "--port", "0", "--control", ""]])
def test_wrong_usage_exits_2_and_says_why(args):
    result = run_baton(*args)
    assert result.returncode == 2, (result.returncode, result.stdout, result.stderr)
    assert result.stderr.strip(), "no word of why"
    assert result.stdout == ""


def test_wrong_command_or_option_is_told_with_what_there_is():
    assert "there are serve, check, status, connections, stop" in run_baton("juggle").stderr
    assert run_baton("serve", "--juggle").stderr.startswith("baton serve: ")


def test_check_accepts_a_good_file(tmp_path):
    path = tmp_path / "good.conf"
    path.write_text(GOOD)
    result = run_baton("check", "-c", path)
    assert (result.returncode, result.stderr) == (0, ""), result


def test_check_warns_of_a_pool_that_no_route_uses(tmp_path):
    path = tmp_path / "idle.conf"
    path.write_text(GOOD + 'pool "tokens" { kind = auth  command = {"x"} }\n'
                    'pool "idle"\n{ command = {"x"} }\n'
                    'route "/a" { pool = "echo"  auth = "tokens" }\n')
    result = run_baton("check", "-c", path)
    assert result.returncode == 0 and ": fine: " in result.stdout, result
    (line,) = result.stderr.splitlines()
    assert line.startswith(f'baton: warning: {path}:6: pool "idle": no route uses it')


@pytest.mark.parametrize("what, text, line, word", BROKEN,
                         ids=[row[0].replace(" ", "-") for row in BROKEN])
@pytest.mark.parametrize("command", ["check", "serve"])
def test_broken_file_exits_2_with_file_and_line(tmp_path, command, what, text, line, word):
    path = tmp_path / "broken.conf"
    path.write_text(text)
    result = run_baton(command, "-c", path)
    assert result.returncode == 2, (what, result.returncode, result.stderr)
    wanted = f"{path}:" if line is None else f"{path}:{line}:"
    assert wanted in result.stderr, (what, result.stderr)
    assert word is None or word in result.stderr, (what, result.stderr)


def test_file_that_is_not_there_exits_2_and_is_named(tmp_path):
    result = run_baton("check", "-c", tmp_path / "nowhere.conf")
    assert result.returncode == 2
    assert "nowhere.conf" in result.stderr and "No such file" in result.stderr


def test_address_in_use_exits_1_and_is_named(start, tmp_path):
    gateway = start()
    path = tmp_path / "second.conf"
    path.write_text(f'control = "{tmp_path}/control.sock"\n'
                    + GOOD.replace("127.0.0.1:0", f"127.0.0.1:{gateway.port}"))
    result = run_baton("serve", "-c", path)
    assert result.returncode == 1, result.stderr
    assert str(gateway.port) in result.stderr and "in use" in result.stderr
    assert "ss -ltnp" in result.stderr


def test_serve_child_needs_no_file():
    args = ["serve", "--child", "baton-echo", "--port", "0", "--control", "@DIR@/control.sock"]
    with Gateway(args=args) as gateway:
        assert gateway.addresses[0].startswith("127.0.0.1:")
        with wsclient.WebSocket(gateway.address(), path="/any/path") as ws:
            ws.echo("no file at all")
            ws.close(1000)
        assert [pool["name"] for pool in gateway.status()["pools"]] == ["child"]


def test_serve_child_listens_where_it_is_told():
    args = ["serve", "--child", "baton-echo", "--port", "0", "--address", "127.0.0.2",
            "--control", "@DIR@/control.sock"]
    with Gateway(args=args) as gateway:
        assert gateway.addresses[0].startswith("127.0.0.2:")


def test_status_is_for_people(start):
    gateway = start()
    with wsclient.WebSocket(gateway.address()) as ws:
        ws.echo("mine")
        opened = gateway.wait_event("open")
        result = gateway.command("status")
        assert result.returncode == 0, result.stderr
        assert "echo" in result.stdout and "ready" in result.stdout
        for child in gateway.children():
            assert str(child["pid"]) in result.stdout
        result = gateway.command("connections")
        assert result.returncode == 0, result.stderr
        (line,) = [row for row in result.stdout.splitlines() if opened["client"] in row]
        assert {opened["id"], opened["pid"]} <= set(re.split(r"[\s=]+", line)), line


def test_status_json_has_the_promised_shape(start):
    gateway = start()
    status = gateway.status()
    assert re.match(r"\d+\.\d+", status["version"])
    assert isinstance(status["uptime_ms"], int)
    assert [entry["address"] for entry in status["listeners"]] == gateway.addresses
    assert {"open", "waiting", "offered", "accepted", "handed_over", "closed"} <= set(
        status["connections"])
    assert status["log"]["dropped"] == 0
    (pool,) = status["pools"]
    assert (pool["name"], pool["state"]) == ("echo", "ready")
    assert (pool["waiting"], pool["restarts"]) == (0, 0)
    assert [child["index"] for child in pool["children"]] == [0, 1]
    for child in pool["children"]:
        assert {"pid", "state", "connections", "offered", "taken", "capacity", "uptime_ms",
                "lag_ms", "skipped"} <= set(child)


def test_stop_ends_the_gateway(start):
    gateway = start()
    result = gateway.command("stop")
    assert result.returncode == 0, result.stderr
    assert gateway.process.wait(TIMEOUT_SECS) == 0
    assert not gateway.control.exists()


@pytest.mark.parametrize("command", ["status", "connections", "stop"])
def test_command_without_a_gateway_exits_1_and_names_the_socket(tmp_path, command):
    result = run_baton(command, "--control", tmp_path / "nobody.sock")
    assert result.returncode == 1
    assert "nobody.sock" in result.stderr


@pytest.mark.parametrize("command", ["status", "connections", "stop"])
@pytest.mark.parametrize("fault", ["childrn = 2", 'directory = "${BATON_TEST_UNSET}"'])
def test_command_with_a_broken_file_says_how_to_reach_the_gateway(tmp_path, command, fault):
    path = tmp_path / "broken.conf"
    path.write_text(GOOD.replace('{"baton-echo"}', '{"baton-echo"} ' + fault))
    result = run_baton(command, "-c", path)
    assert (result.returncode, result.stdout) == (2, "")
    why, hint = result.stderr.splitlines()
    assert why.startswith(f"baton: {path}:2: ")
    assert hint.startswith("baton: ") and "--control PATH" in hint and "SIGTERM" in hint
    for other in ("check", "serve"):
        assert "SIGTERM" not in run_baton(other, "-c", path).stderr


def test_broken_file_does_not_keep_control_from_the_gateway(start):
    gateway = start()
    gateway.directory.joinpath("baton.conf").write_text("childrn = 2\n")
    result = run_baton("stop", "-c", gateway.directory / "baton.conf", "--control",
                       gateway.control)
    assert result.returncode == 0, result.stderr
    assert gateway.process.wait(TIMEOUT_SECS) == 0


def test_second_gateway_at_the_same_control_socket_is_told_what_to_do(start):
    gateway = start()
    result = run_baton("serve", "--child", "baton-echo", "--port", "0", "--control",
                       gateway.control)
    assert result.returncode == 1
    assert "in use" in result.stderr and "a gateway runs there" in result.stderr


def ask_as(user, control):
    """`baton status` of another user, who sees the control socket's directory but not ours."""
    control.parent.chmod(0o755)
    program = shutil.copy(BIN_DIR / "baton", control.parent)
    result = subprocess.run([program, "status", "--control", control],
                            user=user, group=user, extra_groups=[], env=environment(),
                            capture_output=True, text=True, timeout=TIMEOUT_SECS, check=False)
    assert result.returncode == 1
    assert "Only root and the user" in result.stderr and "Is it running" not in result.stderr
    return result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_may_not_ask_is_told_so(start):
    assert "Permission denied" in ask_as(65534, start().control)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_nobody_else_is_taken_for_the_gateway():
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as server:
        control = Path(directory) / "control.sock"
        server.bind(str(control))
        control.chmod(0o777)
        os.seteuid(65534)       # listen(2) is what SO_PEERCRED tells the owner of
        server.listen()
        os.seteuid(0)
        assert "Operation not permitted" in ask_as(1, control)


@pytest.mark.parametrize("program", [BIN_DIR / "baton-echo", "baton-echo"], ids=["path", "name"])
def test_child_run_by_hand_says_which_command_runs_it(program):
    env = environment()
    env.pop("BATON_FD", None)
    result = subprocess.run([program], env=env, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=TIMEOUT_SECS, check=False)
    assert result.returncode != 0
    assert result.stderr.endswith(f"baton serve --child {program}\n")
