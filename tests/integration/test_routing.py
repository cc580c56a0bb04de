# SPDX-License-Identifier: MIT
"""Which route a request takes: by a real gateway, and by what `baton check --route` says of it,
which must be the same."""

import json
import re
import shlex
import subprocess
import sys

import pytest

import gateway
import raw
import wsclient

HTTP_CHILD = gateway.REPOSITORY / "tests" / "support" / "http_child.py"
CONFIG = f"""
pool "one"  {{ command = {{"baton-echo"}}  children = 1 }}
pool "two"  {{ command = {{"baton-echo"}}  children = 1 }}
pool "http" {{ command = {{"{sys.executable}", "{HTTP_CHILD}"}}  children = 1 }}
route "/"                    {{ pool = "one" }}
route "/chat"                {{ pool = "one" }}
route "/chat"                {{ pool = "two"  subprotocol = "chat.v2" }}
route "/chat"                {{ pool = "two"  subprotocol = "chat.v2"  query = {{"v=2"}} }}
route "/chat"                {{ pool = "two"  exact = true  query = {{"lobby"}} }}
route "*.example.org/"       {{ pool = "two" }}
route "www.example.org/chat" {{ pool = "one"  origins = {{"https://example.org"}} }}
route "/tenant"              {{ pool = "two"  headers = {{"X-Tenant: a"}} }}
route "/page"                {{ pool = "http" http = true }}
route "/page"                {{ pool = "http" http = true  headers = {{"X-Beta"}} }}
"""
V2 = "Sec-WebSocket-Protocol: chat.v1, chat.v2"

# (host, target, fields, route, pool)
UPGRADES = [
    ("a", "/chat", [], "/chat", "one"),
    ("a", "/chat/x", [V2], "/chat#2", "two"),
    ("a", "/chat?%76=2", [V2], "/chat#3", "two"),
    ("a", "/chat?v=2", [], "/chat", "one"),
    ("a", "/chat?lobby", [V2], "/chat#4", "two"),
    ("a", "/chat/x?lobby", [], "/chat", "one"),
    ("a", "/chatter", [], "/", "one"),
    ("a.b.example.org", "/chat", [V2], "*.example.org/", "two"),
    ("example.org", "/chatter", [], "/", "one"),
    ("WWW.example.org:80", "/chat", ["Origin: https://example.org"], "www.example.org/chat", "one"),
    ("www.example.org", "/cha", [], "*.example.org/", "two"),
    ("a", "/tenant", ["x-tenant: a"], "/tenant", "two"),
    ("a", "/tenant", ["X-Tenant: b"], "/", "one"),
    ("a", "/tenant", [], "/", "one"),
]


@pytest.fixture(scope="module")
def server():
    with gateway.Gateway(CONFIG) as running:
        yield running


def ask_check(server, url, *args):
    """(exit status, what it prints)"""
    result = gateway.run_baton("check", "-c", server.directory / "baton.conf", "--route", url,
                               *args)
    assert result.stderr == "", result
    return result.returncode, result.stdout


def headers(fields):
    return [word for field in fields for word in ("--header", field)]


@pytest.mark.parametrize("host, target, fields, route, pool", UPGRADES)
def test_upgrade_takes_the_route_that_check_names(server, host, target, fields, route, pool):
    code, text = ask_check(server, f"ws://{host}{target}", *headers(fields))
    assert code == 0, text
    assert f'"{route}" at ' in text and f'handed over to a child of pool "{pool}"' in text
    with wsclient.WebSocket(server.address(), target, host, fields) as ws:
        ws.echo("here")
        line = server.wait_event("open", client=ws.connection.client)
        assert (line["route"], line["pool"]) == (route, pool)
        shown = server.command("connections").stdout
        assert re.search(rf"^{line['id']} .* route {re.escape(route)}, pool {pool},", shown, re.M)
        ws.close(1000)


def test_child_is_told_the_routes_own_name(server):
    for fields, route in (("", "/page"), ("X-Beta: 1\r\n", "/page#2")):
        response = raw.request(
            server.address(), f"GET /page HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
        assert json.loads(response.body)["ROUTE"] == route


def test_field_that_connection_names_meets_no_condition(server):
    head = raw.upgrade_head("/tenant", "a", ["X-Tenant: a", "Connection: x-tenant"])
    with wsclient.WebSocket(server.address(), head=head) as ws:
        line = server.wait_event("open", client=ws.connection.client)
        assert line["route"] == "/"
        ws.close(1000)


@pytest.mark.parametrize("url, fields, status, reason, words", [
    ("ws://www.example.org/chat", ["Origin: https://evil.example"], 403, "origin",
     ['"www.example.org/chat"', "https://evil.example", "https://example.org"]),
    ("http://a/chat", [], 426, "not-upgrade", ['"/chat"']),
    ("ws://a/chat", ["Sec-WebSocket-Version: 8"], 426, "ws-version", []),
    ("ws://a/%2e%2e/chat", [], 400, "path", []),
    ("ws://user@a/", [], 400, "host", []),
    ("ws://a/", ["Bad Name: x"], 400, "bad-field", []),
    ("ws://a/" + "x" * 8000, [], 414, "target-too-long", []),
])
def test_check_says_why_a_request_is_refused(server, url, fields, status, reason, words):
    code, text = ask_check(server, url, *headers(fields))
    assert code == 1, text
    assert f"refused: {status} {reason}\n" in text
    assert all(word in text for word in words), text


def test_check_shows_route_and_pool_as_the_file_has_them(tmp_path):
    path = tmp_path / "b.conf"
    path.write_text('listen "127.0.0.1:1" { health = "/h" }\nlisten "127.0.0.1:2" {}\n'
                    'pool "p" { command = {"x", "a b"}\n children = 3 }\n'
                    'route "/r" { pool = p\n listen = {"127.0.0.1:2"}  hash = ip }\n')

    def check(*args):
        result = gateway.run_baton("check", "-c", path, *args)
        return result.returncode, result.stdout, result.stderr

    code, text, _ = check("--route", "WSS://a/r", "--listen", "127.0.0.1:2")
    shown = [line.split(None, 1) for line in text.splitlines()]
    assert code == 0
    assert ["route", f'"/r" at {path}:5'] in shown and ["pool", f'"p" at {path}:3'] in shown
    for row in (["pool", "p"], ["listen", '{"127.0.0.1:2"}'], ["hash", "ip"],
                ["http", "false (default)"], ["command", '{"x", "a b"}'], ["children", "3"],
                ["capacity", "15000 (default)"]):
        assert row in shown, (row, text)
    code, text, _ = check("--route", "ws://a/r")
    assert code == 1 and "404 no-route" in text and '"127.0.0.1:1", the first one' in text
    code, text, _ = check("--route", "http://a/h")
    assert code == 0 and "health check" in text


def test_check_names_the_routes_that_would_fit_but_for_their_conditions(tmp_path):
    path = tmp_path / "b.conf"
    path.write_text('listen "127.0.0.1:1" {}\npool "p" { command = {"x"} }\n'
                    'route "/r" { pool = p\n subprotocol = "v2"  query = {"a=1"} }\n')

    def shown(*args):
        return gateway.run_baton("check", "-c", path, "--route", *args).stdout

    near = f'but not   "/r" at {path}:3, whose conditions do not all hold\n'
    text = shown("ws://h/r?a=2", "--header", "Sec-WebSocket-Protocol: v2")
    assert near + "  subprotocol     v2\n" + '  query           {"a=1"}\n' in text, text
    assert "404 no-route" in text
    assert "but not" not in shown("ws://h/other")
    assert "but not" not in shown("ws://h/r?a=1", "--header", "Sec-WebSocket-Protocol: v2")


def test_example_of_the_documentation_says_what_check_prints(tmp_path):
    """New keys may add lines that the example leaves out."""
    docs = (gateway.REPOSITORY / "docs" / "configuration.md").read_text()
    (config,) = re.findall(r"## A complete example\n\n```\n(.*?)```", docs, re.S)
    (tmp_path / "baton.conf").write_text(config)
    (command, shown), = re.findall(r"```\n\$ baton (check .*?)\n(.*?)```", docs, re.S)
    result = subprocess.run([gateway.BATON, *shlex.split(command)], cwd=tmp_path, text=True,
                            capture_output=True, timeout=gateway.TIMEOUT_SECS, check=False)
    assert result.returncode == 1
    printed = iter(result.stdout.splitlines())
    for line in shown.splitlines():
        assert line in printed, (line, result.stdout)


@pytest.mark.parametrize("args, word", [
    (["--route", "example.org/x"], "example.org/x"),
    (["--route", "ftp://example.org/x"], "ftp://example.org/x"),
    (["--route", ""], "ws://"),
    (["--route", "ws://a/", "--listen", "127.0.0.1:99"], "127.0.0.1:99"),
    (["--route", "ws://a/", "--header", "Origin"], "'Name: value', not Origin"),
    (["--route", "ws://a/"] + ["--header", "A: b"] * 101, "--header"),
    (["--header", "A: b"], "--route"),
    (["--listen", "127.0.0.1:1"], "--route"),
])
def test_check_exits_2_for_a_question_that_makes_no_sense(tmp_path, args, word):
    path = tmp_path / "b.conf"
    path.write_text('listen "127.0.0.1:1" {}\npool "p" { command = {"x"} }\n'
                    'route "/" { pool = p }\n')
    result = gateway.run_baton("check", "-c", path, *args)
    assert (result.returncode, result.stdout) == (2, "")
    assert word in result.stderr, result.stderr
