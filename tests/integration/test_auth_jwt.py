# SPDX-License-Identifier: MIT
"""baton-auth-jwt at the end of a channel: tokens good and bad, where they stand, keys that change,
and what it says to those who start it wrongly. Behind the real gateway: test_auth_children.py."""

import json
import os
import select
import subprocess
import time

import pytest

import gateway
import jwt
import raw
import tools
from test_protocol_children import DRAIN, HELLO, PING, PONG, READY, FakeGateway, pairs

AUTH, ALLOW, DENY = 5, 75, 76
PROGRAM = gateway.BIN_DIR / "baton-auth-jwt"
ALGORITHMS = ("HS256", "RS256", "ES256")


class AuthChild(FakeGateway):
    """The program behind a gateway that asks."""

    def __init__(self, *words):
        if not PROGRAM.is_file():
            tools.missing("libjwt-dev: baton-auth-jwt")
        super().__init__([PROGRAM, *map(str, words)], hello=False)
        self.say(HELLO, payload=pairs(POOL="jwt", KIND="auth", CHILD=0, CAPACITY=64))
        self.hear(READY)
        self.asked = 0

    def ask(self, *fields, query=""):
        """(ALLOW or DENY, its pairs)"""
        self.asked += 1
        head = raw.upgrade_head("/chat?" + query, fields=fields).decode("latin-1")
        self.say(AUTH, self.asked, pairs(REMOTE_ADDR="192.0.2.7", QUERY_STRING=query, HEAD=head))
        data, fds = self.hear_packet()
        assert (int.from_bytes(data[8:16], "little"), fds) == (self.asked, [])
        assert data.endswith(b"\0") or len(data) == 16
        return data[1], dict(pair.split("=", 1) for pair in data[16:].decode().split("\0")[:-1])

    def bearer(self, token):
        return self.ask(f"Authorization: Bearer {token}")

    def next_line(self):
        """What it prints about its keys, which it looks at when it is asked."""
        while not select.select([self.process.stderr], [], [], 0)[0]:
            self.ask()
        return self.process.stderr.readline()


@pytest.fixture(scope="module", name="keys")
def keys_of_all_kinds(tmp_path_factory):
    """{name: (algorithm, what signs, words for the command line)}"""
    directory = tmp_path_factory.mktemp("keys")
    made = {}
    for name, alg, kind, option in (
            ("rsa", "RS256", "RSA", "rsa_keygen_bits:2048"),
            ("other-rsa", "RS256", "RSA", "rsa_keygen_bits:2048"),
            ("small-rsa", "RS256", "RSA", "rsa_keygen_bits:1024"),
            ("ec", "ES256", "EC", "ec_paramgen_curve:P-256"),
            ("other-ec", "ES256", "EC", "ec_paramgen_curve:P-256"),
            ("p384", "ES256", "EC", "ec_paramgen_curve:P-384")):
        path = directory / f"{name}.pem"
        made[name] = (alg, path, [jwt.make_key(path, kind, [option])])
    for name, secret in (("secret", jwt.SECRET), ("other-secret", jwt.SECRET[::-1])):
        path = directory / name
        path.write_bytes(secret + b"\n")
        made[name] = ("HS256", secret, ["--hs256", path])
    return made


@pytest.fixture(scope="module", name="child")
def child_with_three_keys(keys):
    words = [word for name in ("rsa", "ec", "secret") for word in keys[name][2]]
    with AuthChild("--issuer", "https://id.example", "--audience", "chat", "--cookie", "jwt",
                   "--query", "token", "--subprotocol", "bearer.", "--claim", "roles",
                   "--claim", "http://x/É", "--claim", "name", *words) as fake:
        yield fake


def good(**more):
    return jwt.token(**{"iss": "https://id.example", "aud": "chat", **more})


def denied(answer, reason, status="401", challenge='Bearer error="invalid_token"'):
    kind, said = answer
    assert kind == DENY, said
    expected = {"STATUS": status, "REASON": reason}
    if challenge:
        expected["CHALLENGE"] = challenge
    assert said == expected


# -- the signature ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rsa", "ec", "secret"])
def test_token_of_each_algorithm_is_good(child, keys, name):
    alg, key, _ = keys[name]
    assert child.bearer(good(alg=alg, key=key)) == (
        ALLOW, {"AUTH_TYPE": "jwt", "REMOTE_USER": "ann"})


@pytest.mark.parametrize("name", ["other-rsa", "other-ec", "other-secret"])
def test_token_of_another_key_is_refused(child, keys, name):
    alg, key, _ = keys[name]
    denied(child.bearer(good(alg=alg, key=key)), "the token's signature is wrong")


@pytest.mark.parametrize("name", ["rsa", "ec", "secret"])
def test_key_is_good_for_its_own_algorithm_only(keys, name):
    with AuthChild(*keys[name][2]) as child:
        for other in ("rsa", "ec", "secret"):
            alg, key, _ = keys[other]
            answer = child.bearer(jwt.token(alg=alg, key=key))
            if other == name:
                assert answer[0] == ALLOW
            else:
                denied(answer, "the token's algorithm is not accepted")


@pytest.mark.parametrize("name", ["rsa", "ec"])
def test_public_key_as_a_secret_is_refused(child, keys, name):
    """The attack: HS256, signed with what everybody knows."""
    pem = keys[name][2][0].read_bytes()
    for secret in (pem, pem.rstrip(b"\n")):
        denied(child.bearer(good(key=secret)), "the token's signature is wrong")
        with AuthChild(*keys[name][2]) as alone:
            denied(alone.bearer(jwt.token(key=secret)), "the token's algorithm is not accepted")


@pytest.mark.parametrize("header,reason", [
    ({"alg": "none"}, "the token's algorithm is not accepted"),
    ({"alg": "None"}, "the token's algorithm is not accepted"),
    ({"alg": "hs256"}, "the token's algorithm is not accepted"),
    ({"alg": "HS384"}, "the token's algorithm is not accepted"),
    ({"alg": "HS512"}, "the token's algorithm is not accepted"),
    ({"alg": ""}, "the token cannot be read"),
    ({"alg": 5}, "the token cannot be read"),
    ({"typ": "JWT"}, "the token cannot be read"),
    ({"alg": "HS256", "crit": ["b64"], "b64": False}, "the token needs an extension (crit)"),
    ({"alg": "HS256", "crit": "b64"}, "the token needs an extension (crit)"),
])
def test_header_that_is_not_ours_is_refused(child, header, reason):
    denied(child.bearer(good(header=header)), reason)


def test_unsigned_token_is_refused(child):
    head, body, _ = good(header={"alg": "none"}).split(".")
    denied(child.bearer(f"{head}.{body}."), "the token cannot be read")
    denied(child.bearer(f"{head}.{body}.AA"), "the token's algorithm is not accepted")


def test_token_that_was_changed_is_refused(child, keys):
    for name in ("rsa", "ec", "secret"):
        alg, key, _ = keys[name]
        head, body, signature = good(alg=alg, key=key).split(".")
        claims = {"sub": "root", "iss": "https://id.example", "aud": "chat", "exp": 1 << 33}
        for changed in (f"{head}.{jwt.encode(json.dumps(claims).encode())}.{signature}",
                        f"{head}.{body}.{signature[:-8]}", f"{head}.{body}.AAAA",
                        f"{head}.{body}.{signature[::-1]}"):
            denied(child.bearer(changed), "the token's signature is wrong")


@pytest.mark.parametrize("token", [
    "x", "..", "a..b", "a.b", "a.b.c", "e30.e30.e30", "a.b.c.d", "é.b.c", "a.b.c=", "a b.c.d",
    "W10.W10.AA", "bnVsbA.e30.AA", "-.-.-", "....", "eyJhbGciOiJIUzI1NiJ9.e30.A*A"])
def test_garbage_is_refused(child, token):
    denied(child.bearer(token), "the token cannot be read")


@pytest.mark.parametrize("claims", [b"[1]", b"1", b"null", b"{", b"", b"\xff", b'{"exp":1e999}',
                                    b'{"sub":"\\u0000"}', b"[" * 3000])
def test_signed_garbage_is_refused(child, claims):
    kind, said = child.bearer(good(claims=claims))
    assert (kind, said["STATUS"]) == (DENY, "401")


def test_token_may_have_8_kib_and_no_more(child):
    token = good(x="x" * 5900)
    assert 8000 < len(token) < 8192
    assert child.bearer(token)[0] == ALLOW
    denied(child.bearer(good(x="x" * 6100)), "the token cannot be read")


def test_two_keys_of_one_kind_are_both_good(keys):
    with AuthChild(*keys["rsa"][2], *keys["other-rsa"][2]) as child:
        for name in ("rsa", "other-rsa"):
            assert child.bearer(jwt.token(alg="RS256", key=keys[name][1]))[0] == ALLOW


# -- the claims ------------------------------------------------------------------------------

NOW = int(time.time())


@pytest.mark.parametrize("claims,reason", [
    ({"exp": NOW - 100}, "the token has expired"),
    ({"exp": 0}, "the token has expired"),
    ({"exp": -(1 << 62)}, "the token has expired"),
    ({"exp": NOW - 100.5}, "the token has expired"),
    ({"exp": None}, "the token does not say when it expires (exp)"),
    ({"exp": str(NOW + 3600)}, "the token does not say when it expires (exp)"),
    ({"exp": True}, "the token does not say when it expires (exp)"),
    ({"nbf": NOW + 3600}, "the token is not valid yet"),
    ({"nbf": "0"}, "the token does not say from when it is valid (nbf)"),
    ({"iss": None}, "the token is from another issuer (iss)"),
    ({"iss": "https://id.example/"}, "the token is from another issuer (iss)"),
    ({"iss": ["https://id.example"]}, "the token is from another issuer (iss)"),
    ({"aud": None}, "the token is for another audience (aud)"),
    ({"aud": "Chat"}, "the token is for another audience (aud)"),
    ({"aud": []}, "the token is for another audience (aud)"),
    ({"aud": ["mail", 5]}, "the token is for another audience (aud)"),
    ({"aud": {"chat": "chat"}}, "the token is for another audience (aud)"),
])
def test_claims_that_are_not_good_are_refused(child, claims, reason):
    denied(child.bearer(good(**claims)), reason)


@pytest.mark.parametrize("claims", [
    {"aud": ["mail", "chat"]}, {"nbf": NOW - 1}, {"exp": NOW + 3600.5}, {"exp": 1 << 62},
    {"exp": 1e300}, {"iat": "whatever"}])
def test_claims_that_are_good_are_taken(child, claims):
    assert child.bearer(good(**claims))[0] == ALLOW


def test_leeway_is_for_both_ends(keys):
    now = int(time.time())
    late, early = jwt.token(exp=now - 200), jwt.token(nbf=now + 400)
    for leeway, expected in (("600", ALLOW), ("0", DENY)):
        with AuthChild("--leeway", leeway, *keys["secret"][2]) as child:
            assert [child.bearer(token)[0] for token in (late, early)] == 2 * [expected]


def test_token_for_an_audience_needs_one_that_is_configured(keys):
    with AuthChild(*keys["secret"][2]) as child:
        denied(child.bearer(jwt.token(aud="mail")), "the token is for another audience (aud)")
        assert child.bearer(jwt.token(iss="anybody"))[0] == ALLOW


@pytest.mark.parametrize("claims,told", [
    ({"sub": "žluťoučký"}, {"REMOTE_USER": "žluťoučký"}),
    ({"sub": None}, {}),
    ({"sub": None, "name": ""}, {"AUTH_CLAIM_NAME": ""}),
    ({"sub": "a\nb"}, {}),
    ({"sub": "a\x7f"}, {}),
    ({"sub": 17}, {"REMOTE_USER": "17"}),
    ({"sub": "a", "roles": ["x", "y\n"]},
     {"REMOTE_USER": "a", "AUTH_CLAIM_ROLES": '["x","y\\n"]'}),
    ({"sub": "a", "roles": None, "http://x/É": True},
     {"REMOTE_USER": "a", "AUTH_CLAIM_HTTP___X___": "true"}),
    ({"sub": "a", "name": "x" * 4096}, {"REMOTE_USER": "a"}),
    ({"sub": "a", "other": "x"}, {"REMOTE_USER": "a"}),
])
def test_claims_are_passed_on_when_a_child_can_trust_them(child, claims, told):
    assert child.bearer(good(**claims)) == (ALLOW, {"AUTH_TYPE": "jwt", **told})


def test_null_in_a_claim_is_refused(child):
    kind, _ = child.bearer(good(sub="a\0b"))
    assert kind == DENY


# -- where it stands -------------------------------------------------------------------------


def places(token):
    """Every way to bring a token: fields and the query."""
    return {
        "authorization": ([f"Authorization: Bearer {token}"], ""),
        "scheme in other letters": ([f"authorization: bEARER  {token}"], ""),
        "cookie": ([f"Cookie: a=b; jwt={token}"], ""),
        "cookie in two fields": (["Cookie: a=b", f"Cookie: jwt={token}"], ""),
        "query": ([], f"a=b&token={token}"),
        "subprotocol": ([f"Sec-WebSocket-Protocol: chat.v1, bearer.{token}"], ""),
        "subprotocols": (["Sec-WebSocket-Protocol: chat.v1",
                          f"Sec-WebSocket-Protocol: bearer.{token} , x"], ""),
    }


@pytest.mark.parametrize("place", places(""))
def test_token_is_found_in_each_place(child, place):
    fields, query = places(good())[place]
    assert child.ask(*fields, query=query)[0] == ALLOW
    fields, query = places("x")[place]
    denied(child.ask(*fields, query=query), "the token cannot be read")


@pytest.mark.parametrize("place", list(places(""))[2:])
def test_token_is_not_looked_for_where_nobody_said_so(keys, place):
    with AuthChild(*keys["secret"][2]) as child:
        fields, query = places(jwt.token())[place]
        denied(child.ask(*fields, query=query), "a token is needed",
               challenge='Bearer realm="baton"')


@pytest.mark.parametrize("fields,query", [
    ((), ""), ((), "tokens=x"), ((), "x?token=x"), (("Authorization: Basic YTpi",), ""),
    (("Authorization: Bearer",), ""), (("Cookie: xjwt=x; JWT=x; jwt",), ""),
    (("Sec-WebSocket-Protocol: bearer, chat",), "")])
def test_request_without_a_token_is_told_to_bring_one(child, fields, query):
    denied(child.ask(*fields, query=query), "a token is needed", challenge='Bearer realm="baton"')


@pytest.mark.parametrize("one,two", [("authorization", "query"), ("cookie", "subprotocol"),
                                     ("query", "query"), ("cookie", "cookie")])
def test_two_tokens_are_refused(child, one, two):
    (fields, query), (more, other) = places(good())[one], places(good())[two]
    denied(child.ask(*fields, *more, query=f"{query}&{other}"), "there is more than one token",
           "400", challenge=None)


def test_two_authorizations_are_no_token(child):
    field = f"Authorization: Bearer {good()}"
    denied(child.ask(field, field), "the token cannot be read")


# -- keys that change ------------------------------------------------------------------------


def replace(path, data):
    fresh = path.with_suffix(".new")
    fresh.write_bytes(data)
    os.replace(fresh, path)


def test_key_that_changes_is_read_again_and_a_bad_one_is_not_taken(keys, tmp_path):
    path = tmp_path / "key.pem"
    old, new = (keys[name] for name in ("rsa", "other-rsa"))
    path.write_bytes(old[2][0].read_bytes())
    before, after = (jwt.token(alg="RS256", key=key[1]) for key in (old, new))
    with AuthChild(path) as child:
        assert [child.bearer(t)[0] for t in (before, after)] == [ALLOW, DENY]
        for data, complaint in ((b"", "has no PEM public key"),
                                (b"x" * 9000, "is too long for a key"),
                                (old[1].read_bytes(), "has no PEM public key")):
            replace(path, data)
            line = child.next_line()
            assert complaint in line and line.endswith("; the old key still counts\n")
            assert child.bearer(before)[0] == ALLOW
        path.unlink()
        assert "No such file" in child.next_line()
        replace(path, new[2][0].read_bytes())
        assert child.next_line() == f"baton-auth-jwt: {path}: has changed: the new key counts\n"
        assert [child.bearer(t)[0] for t in (before, after)] == [DENY, ALLOW]


def test_key_may_become_one_of_another_kind(keys, tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(keys["rsa"][2][0].read_bytes())
    with AuthChild(path) as child:
        replace(path, keys["ec"][2][0].read_bytes())
        child.next_line()
        assert child.bearer(jwt.token(alg="ES256", key=keys["ec"][1]))[0] == ALLOW


def test_secret_that_changes_is_read_again(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(jwt.SECRET)
    path.chmod(0o600)
    with AuthChild("--hs256", path) as child:
        replace(path, jwt.SECRET[:31] + b"\n")
        assert "is shorter than 32 bytes" in child.next_line()
        assert child.bearer(jwt.token())[0] == ALLOW
        replace(path, jwt.SECRET[::-1] + b"\r\n")
        child.next_line()
        assert child.bearer(jwt.token(key=jwt.SECRET[::-1]))[0] == ALLOW
        assert child.bearer(jwt.token())[0] == DENY


# -- start and end ---------------------------------------------------------------------------


def run(*words):
    if not PROGRAM.is_file():
        tools.missing("libjwt-dev: baton-auth-jwt")
    return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, check=False,
                          timeout=gateway.TIMEOUT_SECS, env=gateway.environment())


@pytest.mark.parametrize("words,complaint", [
    ([], "there is no key"), (["--secret", "x"], "unrecognized option"),
    (["--leeway", "601", "rsa"], "from 0 to 600"), (["--leeway", "-1", "rsa"], "from 0 to 600"),
    (["--leeway", "1s", "rsa"], "from 0 to 600"), (["--query", "", "rsa"], "empty value"),
    (["--claim", 101 * "x", "rsa"], "too long"), (17 * ["--claim", "x"], "more than 16 times"),
    (["small-rsa"], "less than 2048 bits"), (["p384"], "neither an RSA nor a P-256 key"),
    (["@other-ec"], "has no PEM public key"), (["secret-file"], "has no PEM public key"),
    (["--hs256", "rsa"], "is a PEM file, and no secret"), (["nothing"], "No such file"),
    (["--hs256", "/"], "is no regular file"), (["--hs256", "/dev/null"], "is no regular file"),
    (17 * ["rsa"], "16 are the most"), (["--issuer", "a", "--issuer", "b", "rsa"], "stands twice"),
    (["--cookie", "a", "--cookie", "a", "rsa"], "stands twice")])
def test_start_with_a_mistake_says_what_it_is(keys, words, complaint):
    """A key's name stands for its public file, @ before it for the private one."""
    files = {name: key[2][-1] for name, key in keys.items()}
    files |= {"@" + name: key[1] for name, key in keys.items()}
    files["secret-file"] = files["secret"]
    done = run(*(files.get(word, word) for word in words))
    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_file_must_hold_one_public_key_and_nothing_else(keys, tmp_path):
    """A second key would be passed over, a pass phrase be asked for at the terminal."""
    public, private = keys["rsa"][2][0].read_bytes(), keys["rsa"][1]
    certificate = jwt.openssl("req", "-x509", "-key", private, "-subj", "/CN=x")
    for name, data, complaint in (
            ("two", public + keys["other-rsa"][2][0].read_bytes(), "more than one PEM block"),
            ("pair", private.read_bytes() + public, "more than one PEM block"),
            ("certificate", certificate, "openssl x509"),
            ("encrypted", jwt.openssl("pkey", "-in", private, "-aes256", "-passout", "pass:abcd"),
             "has no PEM public key")):
        path = tmp_path / name
        path.write_bytes(data)
        done = run(path)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert complaint in done.stderr


def test_public_key_is_no_secret_wherever_it_stands_in_the_file(keys, tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"Bag Attributes\n" + keys["rsa"][2][0].read_bytes())
    assert "is a PEM file, and no secret" in run("--hs256", path).stderr


def test_secret_that_everybody_may_read_is_warned_of(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(jwt.SECRET)
    for mode, warnings in ((0o644, 1), (0o640, 0)):
        path.chmod(mode)
        assert run("--hs256", path).stderr.count("everybody on this machine may read") == warnings


def test_run_by_hand_it_says_how_it_is_started(keys):
    done = run(*keys["secret"][2])
    assert done.returncode == 2
    assert "a pool that a route names as auth" in done.stderr
    done = run("--help")
    assert done.returncode == 0
    assert 'auth = "jwt"' in done.stdout and done.stderr == ""


def test_it_answers_pings_takes_no_connections_and_drains(keys):
    with AuthChild(*keys["secret"][2]) as child:
        child.say(PING)
        child.hear(PONG)
        client = child.offer()
        child.hear(66)
        assert client.read_response().status == 500
        child.say(DRAIN, payload=pairs(DEADLINE_MS=5000))
        child.hear(68)
        assert child.wait() == 0
