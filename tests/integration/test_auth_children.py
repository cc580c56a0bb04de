# SPDX-License-Identifier: MIT
"""Auth children behind the real gateway: baton-auth-jwt, and the example in Python, whose cookies
are judged here too."""

import hashlib
import hmac
import subprocess
import sys
import time

import pytest

import documents
import gateway
import jwt
import raw
import tools
import wsclient
from test_auth_jwt import ALLOW, AUTH, DENY, PROGRAM
from test_protocol_children import DRAIN, HELLO, PING, PONG, READY, FakeGateway, pairs

EXAMPLE = gateway.REPOSITORY / "child" / "python" / "auth_example.py"
SECRET = b"0123456789abcdef0123456789abcdef"
LATER = int(time.time()) + 3600


def cookie(user="ann", expires=LATER, secret=SECRET):
    text = f"{user}:{expires}"
    return f"session={text}:{hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()}"


@pytest.fixture(scope="module", name="secret")
def file_with_the_secret(tmp_path_factory):
    path = tmp_path_factory.mktemp("example") / "session.key"
    path.write_bytes(SECRET + b"\n")
    return path


def run(*words):
    return subprocess.run([sys.executable, EXAMPLE, *words], capture_output=True, text=True,
                          check=False, timeout=gateway.TIMEOUT_SECS, env=gateway.environment())


def ask(child, *fields):
    child.say(AUTH, 7, pairs(HEAD=raw.upgrade_head("/", fields=fields).decode()))
    data, _ = child.hear_packet()
    return data[1], data[16:]


def test_example_lets_in_who_has_a_signed_cookie_and_nobody_else(secret):
    with FakeGateway([sys.executable, str(EXAMPLE), str(secret)], hello=False) as child:
        child.say(HELLO, payload=pairs(POOL="session", KIND="auth"))
        child.hear(READY)
        for value in (cookie(), "a=b; " + cookie(), "session=x; " + cookie()):
            assert ask(child, f"Cookie: {value}") == (
                ALLOW, pairs(REMOTE_USER="ann", AUTH_TYPE="session"))
        for fields in ((), ("Cookie: session=",), ("Cookie: session=a:1:b",),
                       (f"Cookie: {cookie(expires=1)}",), (f"Cookie: x{cookie()}",),
                       (f"Cookie: {cookie(secret=SECRET[::-1])}",),
                       (f"Cookie: {cookie().replace('ann', 'eve')}",)):
            assert ask(child, *fields) == (DENY, pairs(STATUS=403, REASON="please log in first"))
        child.say(PING)
        child.hear(PONG)
        child.say(DRAIN)
        assert child.wait() == 0


def test_example_prints_a_cookie_and_says_what_is_wrong(secret, tmp_path):
    user, expires, _ = run(secret, "bob").stdout.strip().removeprefix("session=").split(":")
    assert user == "bob" and int(expires) > time.time()
    assert "baton starts it" in run(secret).stderr
    short = tmp_path / "short"
    short.write_bytes(b"x\n")
    assert "32 bytes or more" in run(short).stderr
    assert "usage: " in run().stderr and "usage: " in run(secret, "bob", "x").stderr
    assert run(tmp_path / "nothing").stderr == f"{tmp_path / 'nothing'}: No such file or directory\n"
    for name in ("a;b", "é", ""):
        assert "letters, digits" in run(secret, name).stderr


def test_example_serves_behind_the_gateway(secret):
    config = gateway.ECHO.replace('pool = "echo" }', 'pool = "echo"  auth = "session" }') + f"""
pool "session" {{ kind = "auth"  command = {{"{sys.executable}", "{EXAMPLE}", "{secret}"}} }}
"""
    with gateway.Gateway(config) as server:
        field = "Cookie: " + run(secret, "ann").stdout.strip()
        with wsclient.WebSocket(server.address(), "/echo", fields=[field]) as client:
            client.echo("hello")
            client.close()
        response = raw.request(server.address(), raw.upgrade_head("/echo"))
        assert response.status == 403 and b"please log in first" in response.body


def test_token_lets_in_and_others_are_told_why(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(jwt.SECRET)
    if not PROGRAM.is_file():
        tools.missing("libjwt-dev: baton-auth-jwt")
    config = gateway.ECHO.replace('pool = "echo" }', 'pool = "echo"  auth = "jwt" }') + f"""
pool "jwt" {{
	kind = "auth"
	command = {{"baton-auth-jwt", "--query", "jwt", "--hs256", "{path}"}}
}}
"""
    with gateway.Gateway(config) as server:
        with wsclient.WebSocket(server.address(), f"/echo?jwt={jwt.token()}") as client:
            client.echo("hello")
            client.close()
        for token, challenge, reason in (
                ("", 'Bearer realm="baton"', b"a token is needed"),
                (f"jwt={jwt.token(exp=1)}", 'Bearer error="invalid_token"', b"has expired")):
            response = raw.request(server.address(), raw.upgrade_head("/echo?" + token))
            assert (response.status, response.headers["www-authenticate"]) == (401, challenge)
            assert reason in response.body


def test_steps_of_the_text_lead_to_an_open_door(tmp_path):
    if not PROGRAM.is_file():
        tools.missing("libjwt-dev: baton-auth-jwt")
    tools.program("websocat")
    blocks = documents.blocks(gateway.REPOSITORY / "docs" / "auth.md")
    (steps,) = [b.text for b in blocks if b.language == "sh"]
    (config,) = [b.text for b in blocks if "secret.key" in b.text and b.language == ""]
    key, serve, *rest = steps.splitlines()
    assert serve.startswith("baton serve")
    subprocess.run(["sh", "-c", key], cwd=tmp_path, check=True)
    config = config.partition("\n")[2].replace("secret.key", str(tmp_path / "secret.key"))
    with gateway.Gateway(config) as server:
        script = "\n".join(rest).replace("127.0.0.1:8080", server.addresses[0])
        with subprocess.Popen(["sh", "-c", script], cwd=tmp_path, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as client:
            client.stdin.write(b"hello\n")
            client.stdin.flush()
            assert client.stdout.readline() == b"hello\n"
            client.stdin.close()
            assert client.wait(gateway.TIMEOUT_SECS) == 0
