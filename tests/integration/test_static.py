# SPDX-License-Identifier: MIT
"""baton-static behind the real gateway: files, and nothing but the files below its directory."""

import os
import re
import signal
import subprocess

import pytest

import gateway
import probes
import raw
import wsclient

STATIC = gateway.BIN_DIR / "baton-static"
FILES = {
    "index.html": b"<!doctype html><h1>home</h1>",
    "page.html": "žluťoučký kůň".encode(),
    "script.js": b"let a = 1;",
    "module.mjs": b"export let a = 1;",
    "style.css": b"a { }",
    "data.json": b"{}",
    "picture.svg": b"<svg/>",
    "picture.png": b"\x89PNG",
    "text.txt": b"text",
    "program.wasm": b"\0asm",
    "odd.suffix": b"odd",
    "without": b"no suffix",
    "empty.txt": b"",
    "a b.txt": b"space",
    "ž.txt": b"umlaut",
    "c++.html": b"plus",
    "big.bin": os.urandom(3 << 20),
    "below/index.html": b"below",
    "below/deeper/file.txt": b"deeper",
    "with space/index.html": b"space",
    "bare/only.txt": b"no index",
}
TYPES = {
    "index.html": "text/html; charset=utf-8",
    "script.js": "text/javascript; charset=utf-8",
    "module.mjs": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "data.json": "application/json",
    "picture.svg": "image/svg+xml",
    "picture.png": "image/png",
    "text.txt": "text/plain; charset=utf-8",
    "program.wasm": "application/wasm",
    "odd.suffix": "application/octet-stream",
    "without": "application/octet-stream",
}

if not STATIC.is_file():
    pytest.skip("SKIPPED: no baton-static, there is no libwebsockets-dev",
                allow_module_level=True)


@pytest.fixture(scope="module", name="root")
def directory_with_files(tmp_path_factory):
    top = tmp_path_factory.mktemp("static")
    (top / "secret.txt").write_bytes(b"secret")
    for name, content in FILES.items():
        path = top / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return top / "root"


def config(root, children=2):
    return f"""
pool "static" {{
    command = {{"baton-static", "{root}"}}  children = {children}
    drain_timeout = "300ms"  stop_timeout = "300ms"
}}
route "/" {{ pool = "static"  http = true }}
"""


@pytest.fixture(scope="module", name="server")
def gateway_with_static(root):
    with gateway.Gateway(config(root)) as running:
        yield running


def ask(server, path, method="GET", fields=""):
    head = f"{method} {path} HTTP/1.1\r\nHost: example.test\r\n{fields}\r\n"
    response = raw.request(server.address(), head.encode("latin-1"))
    assert response.raw.count(b"HTTP/1.1 ") == 1
    assert "close" in response.headers["connection"]
    return response


QUOTED = {"a b.txt": "a%20b.txt", "ž.txt": "%C5%BE.txt",
          "with space/index.html": "with%20space/index.html"}


@pytest.mark.parametrize("name", FILES)
def test_file_is_served_whole(server, name):
    response = ask(server, "/" + QUOTED.get(name, name))
    assert (response.status, response.body) == (200, FILES[name])
    assert int(response.headers["content-length"]) == len(FILES[name])
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", TYPES)
def test_type_follows_the_suffix(server, name):
    assert ask(server, "/" + name).headers["content-type"] == TYPES[name]


def test_query_is_not_part_of_the_name(server):
    assert ask(server, "/text.txt?v=1&/../x").body == b"text"


def test_a_plus_in_a_path_is_a_plus(server):
    assert ask(server, "/c%2B+.html?a+b=c+d").body == b"plus"
    assert ask(server, "/a+b.txt").status == 404  # "a b.txt" is there
    assert ask(server, "/" + "+" * 7990, fields=f"Cookie: {'c' * 8000}\r\n").status == 404


@pytest.mark.parametrize("path, name", [("/", "index.html"), ("/below/", "below/index.html"),
                                        ("/with%20space/", "with space/index.html")])
def test_directory_is_its_index(server, path, name):
    response = ask(server, path)
    assert (response.status, response.body) == (200, FILES[name])


@pytest.mark.parametrize("path, location", [
    ("/below", "/below/"), ("/below/deeper?a=b", "/below/deeper/?a=b"), ("//below", "/below/"),
    ("/with%20space", "/with%20space/"), ("/bare", "/bare/")])
def test_directory_without_its_slash_is_redirected(server, path, location):
    response = ask(server, path)
    assert (response.status, response.headers["location"]) == (301, location)


def test_head_has_the_fields_and_no_body(server):
    got, asked = ask(server, "/page.html"), ask(server, "/page.html", "HEAD")
    assert (asked.status, asked.body, asked.headers) == (200, b"", got.headers)
    assert (ask(server, "/nothing", "HEAD").status, ask(server, "/nothing", "HEAD").body) == (
        404, b"")


def test_etag_gives_304_until_the_file_changes(server, root):
    path = root / "changing.txt"
    path.write_bytes(b"one")
    first = ask(server, "/changing.txt")
    tag = first.headers["etag"]
    assert "must-revalidate" in first.headers["cache-control"]
    again = ask(server, "/changing.txt", fields=f"If-None-Match: {tag}\r\n")
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    path.write_bytes(b"another")
    changed = ask(server, "/changing.txt", fields=f"If-None-Match: {tag}\r\n")
    assert (changed.status, changed.body) == (200, b"another")
    assert changed.headers["etag"] != tag


def test_etag_is_compared_as_http_says(server):
    first = ask(server, "/text.txt")
    tag = first.headers["etag"]
    assert re.fullmatch(r'"[\x21\x23-\x7e]+"', tag)
    for known in (tag, "*", f"W/{tag}", f'"other", {tag}', f'"other"\r\nIf-None-Match: W/{tag}'):
        again = ask(server, "/text.txt", fields=f"If-None-Match: {known}\r\n")
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag), known
        assert again.headers["cache-control"] == first.headers["cache-control"]
        assert "content-length" not in again.headers and "content-type" not in again.headers
    for other in ('"other"', tag.strip('"'), f'"x{tag[1:]}', '"*"'):
        assert ask(server, "/text.txt", fields=f"If-None-Match: {other}\r\n").body == b"text"
    assert ask(server, "/nothing", fields="If-None-Match: *\r\n").status == 404


def test_etag_tells_a_file_of_the_same_length_written_within_a_second(server, root):
    path, tags = root / "quick.txt", set()
    for number in range(3):
        path.write_bytes(b"%d" % number)
        os.utime(path, ns=(0, 10**18 + number))
        tags.add(ask(server, "/quick.txt").headers["etag"])
    assert len(tags) == 3


MISSING = ["/nothing", "/nothing/", "/below/nothing.txt", "/bare/", "/text.txt/", "/text.txt/x",
           "/~", "/" + "x" * 300, "/" + "x/" * 2000]


@pytest.mark.parametrize("path", MISSING, ids=lambda path: path[:20])
def test_what_is_not_there_gets_404(server, path):
    response = ask(server, path)
    assert response.status == 404 and response.body.startswith(b"404 ")


ESCAPES = ["/../secret.txt", "/below/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt",
           "/%2e%2e%2fsecret.txt", "/below/%2e./%2e%2e/secret.txt", "/..%5csecret.txt",
           "/..%c0%afsecret.txt", "/%252e%252e/secret.txt", "/..;/secret.txt", "/.../secret.txt",
           "//../secret.txt", "/text.txt%00.html", "/below/..%252fsecret.txt"]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leads_out_of_the_directory(server, path):
    response = ask(server, path)
    assert response.status in (400, 404) and b"secret" not in response.body, response


@pytest.mark.parametrize("path", ["//below/index.html", "/below%2Findex.html", "/%62elow/",
                                  "/%2Fbelow%2F%2Findex.html", "/text.txt;x", "//text.txt"])
def test_no_spelling_of_a_path_leads_past_its_own_route(start, root, path):
    """libwebsockets finds all these files."""
    pool = f'command = {{"baton-static", "{root}"}}  children = 1'
    server = start(f"""
        pool "files"        {{ {pool} }}
        pool "nobody"       {{ kind = "auth"  command = {{"false"}}  queue = 0 }}
        route "/"           {{ pool = "files"  http = true }}
        route "/below"      {{ pool = "files"  http = true  auth = "nobody" }}
        route "/text.txt"   {{ pool = "files"  http = true  auth = "nobody" }}""", wait_ready=False)
    server.wait_event("child-ready", pool="files")
    server.addresses = [server.events("listening")[0]["address"]]
    assert ask(server, "/style.css").status == 200
    assert ask(server, path).status in (400, 503)


def test_absolute_path_of_a_file_is_below_the_directory_too(server, root):
    assert ask(server, "/" + str(root.parent / "secret.txt")).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "get"])
def test_other_methods_get_405(server, method):
    response = ask(server, "/text.txt", method)
    assert response.status == 405 and "GET" in response.headers["allow"]


@pytest.mark.parametrize("field, body", [
    ("Content-Length: 60000", b"x" * 60000), ("Content-Length: 1", b"x"), ("Content-Length: 0", b""),
    ("Transfer-Encoding: chunked", b"ea60\r\n" + b"x" * 60000 + b"\r\n0\r\n\r\n"),
    ("Content-Length: 1048576", b"x" * (1 << 20))])
def test_refusal_of_a_body_is_readable(server, field, body):
    head = f"POST /text.txt HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n".encode()
    assert raw.request(server.address(), head + body).status == 405


def test_get_with_a_body_gets_413(server):
    head = b"GET /text.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw.request(server.address(), head + b"5\r\nhello\r\n0\r\n\r\n").status == 413
    assert ask(server, "/text.txt", fields="Content-Length: 0\r\n").status == 200


def test_websocket_upgrade_is_refused(server):
    response = raw.request(server.address(), raw.upgrade_head("/text.txt"))
    assert response.status == 404


@pytest.mark.parametrize("target", ["/text.txt%0aX-Forwarded-For:192.0.2.9,", "/text.txt?%0AX:1",
                                    "/text.txt%0D%0aX:1", "/text.txt?a=%0d", "/text.txt?a=%00"])
def test_no_target_can_forge_a_header_field(server, target):
    """libwebsockets decodes before it looks for the end of the line."""
    assert ask(server, target).status == 400
    assert ask(server, "/text.txt?a=%2500%0B").status == 200


def test_only_the_first_of_several_requests_is_answered(server):
    one = b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n"
    response = raw.request(server.address(), one + one.replace(b"big.bin", b"text.txt"))
    assert response.body == FILES["big.bin"]


def test_client_that_reads_slowly_gets_all_of_a_large_file(server):
    with raw.Connection(server.address()) as connection:
        connection.send(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.read_head()
        assert ask(server, "/text.txt").status == 200  # others meanwhile
        assert connection.read_exactly(3 << 20) == FILES["big.bin"]
        connection.read_eof()


def test_what_is_no_file_is_not_opened(start, root):
    server = start(config(root, children=1))
    os.mkfifo(root / "fifo")
    try:
        assert ask(server, "/fifo").status == 404  # and not: wait for somebody who writes
        assert ask(server, "/text.txt").status == 200
    finally:
        (root / "fifo").unlink()


def test_a_thousand_requests_leave_nothing_behind(start, root):
    server = start(config(root, children=1))
    (pid,) = probes.wait_ready(server, 1, "static")
    before = sorted(probes.descriptors(pid).values())
    for number in range(1000):
        if number % 4 == 3:
            with raw.Connection(server.address()) as connection:  # leaves before the answer's end
                connection.send(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        else:
            assert ask(server, "/text.txt" if number % 4 else "/nothing").status in (200, 404)
    probes.wait_connections(server, open=0)
    probes.wait_until(lambda: sorted(probes.descriptors(pid).values()) == before,
                      "the child's descriptors as at first")
    assert probes.pids(server, "static") == [pid]


def test_killed_child_is_replaced(start, root):
    server = start(config(root, children=1))
    (pid,) = probes.wait_ready(server, 1, "static")
    os.kill(pid, signal.SIGKILL)
    probes.wait_until(lambda: probes.pids(server, "static") not in ([], [pid]), "a successor")
    assert ask(server, "/text.txt").body == b"text"


def test_websockets_and_files_live_under_one_host(start, root):
    server = start(config(root, children=1) + gateway.ECHO)
    assert ask(server, "/").status == 200
    with wsclient.WebSocket(server.address(), path="/echo") as ws:
        ws.echo("beside the page")
        ws.close(1000)


@pytest.mark.parametrize("arguments, complaint", [
    ([], "usage"), (["no-such-directory"], "No such file"), ([__file__], "Not a directory"),
    (["."], "not started by baton")])
def test_wrong_use_is_explained(arguments, complaint):
    env = {key: value for key, value in gateway.environment().items()
           if not key.startswith("BATON_")}
    result = subprocess.run([str(STATIC), *arguments], env=env, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=gateway.TIMEOUT_SECS,
                            check=False)
    assert result.returncode == 2 and complaint in result.stderr, result.stderr
