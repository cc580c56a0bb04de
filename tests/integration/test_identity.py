# SPDX-License-Identifier: MIT
"""Who the client is: PROXY headers, forwarding headers of trusted proxies and of strangers, what the
child is told, what the log and `baton connections` say. Everybody here connects from 127.0.0.1."""

import json
import re
import select
import socket
import struct
import sys
import time

import pytest

import gateway
import raw
import wsclient

HTTP_CHILD = gateway.REPOSITORY / "tests" / "support" / "http_child.py"
CONFIG = f"""
listen "127.0.0.1:0"            {{ health = "/healthz" }}
listen "127.0.0.2:0"            {{ health = "/healthz"  proxy = true }}
listen "127.0.0.3:0"            {{ trusted_proxies = {{"127.0.0.0/8", "10.0.0.0/8"}} }}
listen "127.0.0.4:0"            {{ trusted_proxies = {{"127.0.0.1"}}  client_header = "Forwarded" }}
listen "127.0.0.5:0"            {{ trusted_proxies = {{"127.0.0.1"}}  client_header = "X-Real-IP" }}
listen "127.0.0.6:0"            {{ proxy = true  trusted_proxies = {{"192.0.2.0/24"}} }}
listen "127.0.0.7:0"            {{ trusted_proxies = {{"10.0.0.0/8", "unix"}} }}
listen "unix:@DIR@/plain.sock"  {{}}
listen "unix:@DIR@/ws.sock"     {{ trusted_proxies = {{"unix"}} }}
listen "unix:@DIR@/proxy.sock"  {{ proxy = true }}

pool "http"   {{ command = {{"{sys.executable}", "{HTTP_CHILD}"}}  children = 1 }}
pool "echo"   {{ command = {{"baton-echo"}}  children = 3 }}
route "/http" {{ pool = "http"  http = true }}
route "/echo" {{ pool = "echo" }}
route "/hash" {{ pool = "echo"  hash = "ip" }}
"""
PLAIN, PROXY, XFF, FORWARDED, REAL_IP, BOTH, STRANGER, UNIX, UNIX_XFF, UNIX_PROXY = range(10)

V2 = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT = "198.51.100.7"
VICTIM = "203.0.113.9"
WHO = ("REMOTE_ADDR", "REMOTE_PORT", "PROXY_ADDR", "REQUEST_SCHEME", "HTTPS")


@pytest.fixture(scope="module")
def server():
    with gateway.Gateway(CONFIG, listen=()) as running:
        yield running


def v1(client, port=55555, server="192.0.2.80", server_port=443):
    family = "TCP6" if ":" in client else "TCP4"
    return f"PROXY {family} {client} {server} {port} {server_port}\r\n".encode()


def v2(client, port=55555, server="192.0.2.80", server_port=443, tlvs=b""):
    family, kind = (socket.AF_INET6, 0x21) if ":" in client else (socket.AF_INET, 0x11)
    body = (socket.inet_pton(family, client) + socket.inet_pton(family, server) +
            struct.pack("!HH", port, server_port) + tlvs)
    return V2 + bytes([0x21, kind]) + struct.pack("!H", len(body)) + body


def v2_unix():
    return V2 + b"\x21\x31" + struct.pack("!H", 216) + bytes(216)


def v2_local(extra=b""):
    return V2 + b"\x20\x00" + struct.pack("!H", len(extra)) + extra


def plain_head(*fields, path="/http", host="127.0.0.1"):
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def ask(server, index, *fields, before=b""):
    """What the child was told."""
    response = raw.request(server.address(index), before + plain_head(*fields))
    assert response.status == 200, response
    return json.loads(response.body)


def who(told):
    return tuple(told.get(key) for key in WHO)


# -- PROXY headers -----------------------------------------------------------------------------

HEADERS = {
    "v1": (v1(CLIENT), CLIENT, "55555"),
    "v1-ipv6": (v1("2001:db8::7", server="::1"), "2001:db8::7", "55555"),
    "v2": (v2(CLIENT), CLIENT, "55555"),
    "v2-ipv6": (v2("2001:db8::7", server="::1"), "2001:db8::7", "55555"),
    "v2-tlvs": (v2(CLIENT, tlvs=b"\x01\0\x08http/1.1\xea\x0f\xc4" + bytes(4036)), CLIENT, "55555"),
    "v2-unix": (v2_unix(), "unix", "0"),
}
NAMELESS = {
    "unknown": b"PROXY UNKNOWN\r\n",
    "unknown-tail": b"PROXY UNKNOWN ffff:: 1.2.3.4 \0 70000\r\n",
    "local": v2_local(),
    "local-tail": v2_local(b"\x04\0\x01"),
    "unspec": V2 + b"\x21\x00\0\x05what?",
}


@pytest.mark.parametrize("listener", [PROXY, UNIX_PROXY])
@pytest.mark.parametrize("name", HEADERS)
def test_proxy_header_names_the_client(server, name, listener):
    header, address, port = HEADERS[name]
    told = ask(server, listener, before=header)
    # A client on a Unix socket, by a proxy on a Unix socket: nobody to tell apart.
    spoke = None if listener == UNIX_PROXY and address == "unix" else (
        "127.0.0.1" if listener == PROXY else "unix")
    assert who(told) == (address, port, spoke, "http", None)
    assert told["SERVER_PORT"] == ("0" if name == "v2-unix" else "443")


@pytest.mark.parametrize("name", NAMELESS)
def test_proxy_header_without_a_name_leaves_the_connection_s_own(server, name):
    with raw.Connection(server.address(PROXY)) as connection:
        connection.send(NAMELESS[name] + plain_head())
        told = json.loads(connection.read_response().body)
        assert f"{told['REMOTE_ADDR']}:{told['REMOTE_PORT']}" == connection.client
    assert told.get("PROXY_ADDR") is None
    assert int(told["SERVER_PORT"]) == server.address(PROXY)[1]
    assert who(ask(server, UNIX_PROXY, before=NAMELESS[name]))[:3] == ("unix", "0", None)


def test_health_check_behind_a_proxy_header(server):
    for header in (v1(CLIENT), v2_local()):
        answer = raw.request(server.address(PROXY), header + plain_head(path="/healthz"))
        assert (answer.status, answer.body) == (200, b"ok\n")


def frames(*payloads):
    return b"".join(wsclient.frame_bytes(wsclient.BINARY, payload) for payload in payloads)


@pytest.mark.parametrize("listener", [PROXY, UNIX_PROXY])
@pytest.mark.parametrize("name", ["v1", "v2", "v2-tlvs", "local"])
def test_frames_behind_proxy_header_and_head_reach_the_child(server, name, listener):
    header = {**HEADERS, "local": (v2_local(),)}[name][0]
    payloads = [bytes([number]) * 700 for number in range(20)]
    with raw.Connection(server.address(listener)) as connection:
        connection.send(header + raw.upgrade_head() + frames(*payloads))
        ws = wsclient.WebSocket.over(connection)
        for payload in payloads:
            assert ws.receive_message() == (wsclient.BINARY, payload)
        ws.echo("and the next")
        assert ws.close(1000).code == 1000


# On a Unix socket every unread piece costs its sender the memory of a packet, and the head is not
# read before it is whole: few hundred pieces are the most that the kernel takes.
@pytest.mark.parametrize("listener, step", [(PROXY, 1), (UNIX_PROXY, 5)], ids=["tcp", "unix"])
@pytest.mark.parametrize("header", [v1(CLIENT), v2(CLIENT, tlvs=b"\x04\0\x02ab")],
                         ids=["v1", "v2"])
def test_proxy_header_byte_by_byte_and_head_in_pieces(server, barrier, header, listener, step):
    head = raw.upgrade_head()
    pieces = [bytes([byte]) for byte in header]
    pieces += [head[at:at + step] for at in range(0, len(head), step)]
    with raw.Connection(server.address(listener)) as connection:
        for piece in pieces:
            connection.send(piece)
            barrier(server)
        wsclient.WebSocket.over(connection).echo("slow but sure")


@pytest.mark.parametrize("cut", [-1, 0, 1])
def test_proxy_header_split_from_its_head(server, barrier, cut):
    header = v2(CLIENT)
    whole = header + raw.upgrade_head()
    with raw.Connection(server.address(PROXY)) as connection:
        connection.send(whole[:len(header) + cut])
        barrier(server)
        connection.send(whole[len(header) + cut:])
        wsclient.WebSocket.over(connection).echo("split")


BAD_HEADERS = {
    "none": b"",
    "tls": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    "octet": b"PROXY TCP4 1.2.3.400 1.2.3.4 1 2\r\n",
    "port": b"PROXY TCP4 1.2.3.4 1.2.3.4 70000 2\r\n",
    "long": b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
    "lower": b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "lf": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
    "second-version": V2 + b"\x31\x11\0\x0c" + bytes(12),
    "command": V2 + b"\x27\x11\0\x0c" + bytes(12),
    "family": V2 + b"\x21\x71\0\x0c" + bytes(12),
    "datagram": V2 + b"\x21\x12\0\x0c" + bytes(12),
    "short": V2 + b"\x21\x21\0\x0c" + bytes(12),
    "large": v2_local(bytes(4081)),
    "tlv": v2(CLIENT, tlvs=b"\x04\0\x02a"),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_bad_proxy_header_gets_400_and_says_what_is_expected(server, name):
    with raw.Connection(server.address(PROXY)) as connection:
        mark = server.mark()  # another listener's client had this port, perhaps
        connection.send(BAD_HEADERS[name] + raw.upgrade_head())
        response = connection.read_response()
        line = server.wait_event("refuse", since=mark, client=connection.client)
    assert response.status == 400 and b"expects a PROXY header" in response.body
    assert (line["status"], line["reason"]) == ("400", "proxy")


def test_second_proxy_header_is_no_head(server):
    response = raw.request(server.address(PROXY), v1(CLIENT) + v1(VICTIM) + raw.upgrade_head())
    assert response.status == 400
    # The first one named the client, and the log knows it.
    assert server.wait_event("refuse", client=f"{CLIENT}:55555", reason="bad-line")


def test_no_proxy_header_is_guessed_where_none_is_due(server):
    mark = server.mark()
    response = raw.request(server.address(PLAIN), v1(CLIENT) + raw.upgrade_head())
    assert response.status == 400
    line = server.wait_event("refuse", since=mark, client=response.client)
    assert line["reason"] == "bad-line"


def test_half_a_proxy_header_and_then_the_end_gets_400(server):
    mark = server.mark()
    response = raw.request(server.address(PROXY), v1(CLIENT)[:-1], end=True)
    assert response.status == 400
    line = server.wait_event("refuse", since=mark, client=response.client)
    assert line["reason"] == "half-head"


def test_client_that_leaves_within_its_proxy_header_leaves_nothing(server, barrier):
    for cut in (0, 1, 20):
        with raw.Connection(server.address(PROXY)) as connection:
            connection.send(v2(CLIENT)[:cut])
            barrier(server)
    barrier(server)
    clients = [json.loads(line)["client"]
               for line in server.command("connections", "--json").stdout.splitlines()]
    assert connection.client not in clients


def dribble(connection, data):
    """Sends byte after byte until there is an answer; how long that took."""
    began = time.monotonic()
    for byte in data:
        connection.send(bytes([byte]))
        if select.select([connection.socket], [], [], 0.005)[0]:
            return time.monotonic() - began
    raise AssertionError("all bytes were taken, and there was no answer")


SLOW = """
limits { proxy_timeout = "250ms"  head_timeout = "700ms" }
listen "127.0.0.1:0" { health = "/healthz" }
listen "127.0.0.2:0" { proxy = true }
""" + gateway.ECHO


def test_slow_proxy_header_gets_408_however_it_dribbles(start):
    server = start(SLOW, listen=())
    silent = raw.request(server.address(1), b"PROXY ")
    assert silent.status == 408
    assert server.wait_event("refuse", client=silent.client)["reason"] == "proxy-timeout"
    with raw.Connection(server.address(1)) as connection:
        took = dribble(connection, v2_local(bytes(4000)))
        assert 0.2 < took < 3, took
        assert connection.read_response().status == 408
    assert server.wait_event("refuse", client=connection.client)["reason"] == "proxy-timeout"


@pytest.mark.parametrize("cut", [0, 10])
def test_head_has_its_own_deadline_behind_the_proxy_header(start, barrier, cut):
    patient = SLOW.replace('"250ms"', '"1s"').replace('"700ms"', '"2500ms"')
    server = start(patient, listen=())
    header = v1(CLIENT)
    with raw.Connection(server.address(1)) as connection:
        connection.send(header[:cut])
        barrier(server)
        connection.send(header[cut:] + raw.upgrade_head()[:-1])
        began = time.monotonic()
        assert connection.read_response().status == 408
        assert time.monotonic() - began > 2.4
    assert server.wait_event("refuse", client=f"{CLIENT}:55555")["reason"] == "head-timeout"


# -- forwarding headers ------------------------------------------------------------------------

CLAIMS = [f"X-Forwarded-For: {VICTIM}", f"Forwarded: for={VICTIM};proto=https",
          f"X-Real-IP: {VICTIM}", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.test",
          f"X_Forwarded_For: {VICTIM}", f"X-Forwarded_For: {VICTIM}", f"X_Real_IP: {VICTIM}",
          f"x_real-ip: {VICTIM}", "X_FORWARDED_PROTO: https", "FORWARDED: for=_x",
          "Remote-Addr: 1.2.3.4", "Https: on", "Proxy-Addr: 1.2.3.4"]
LEFT = ["Remote-Addr: 1.2.3.4", "Https: on", "Proxy-Addr: 1.2.3.4"] # HTTP_HTTPS is not HTTPS


def fields_of(told):
    """The fields of the canonical head, without those that baton wrote."""
    return told["HEAD"].split("\r\n")[3:-2]


@pytest.mark.parametrize("listener, own", [(PLAIN, "127.0.0.1"), (STRANGER, "127.0.0.1"),
                                           (UNIX, "unix")])
def test_strangers_headers_are_not_believed_and_not_passed_on(server, listener, own):
    told = ask(server, listener, *CLAIMS)
    assert who(told)[0] == own
    assert who(told)[2:] == (None, "http", None)
    assert fields_of(told) == LEFT


def test_no_claim_passes_with_a_proxy_header_either(server):
    told = ask(server, PROXY, *CLAIMS, before=v1(CLIENT))
    assert who(told) == (CLIENT, "55555", "127.0.0.1", "http", None)
    assert fields_of(told) == LEFT


@pytest.mark.parametrize("listener, spoke", [(XFF, "127.0.0.1"), (UNIX_XFF, "unix")])
def test_trusted_proxy_names_client_and_scheme(server, listener, spoke):
    told = ask(server, listener, f"X-Forwarded-For: {VICTIM}", f"X-Forwarded-For: {CLIENT}",
               "X-Forwarded-Proto: https")
    assert who(told) == (CLIENT, "0", spoke, "https", "on")
    assert fields_of(told) == []


def test_only_the_configured_header_is_believed(server):
    assert who(ask(server, XFF, *CLAIMS[1:3], *CLAIMS[5:]))[0] == "127.0.0.1"
    told = ask(server, FORWARDED, CLAIMS[0], CLAIMS[2], f'Forwarded: for="[2001:db8::7]:80"',
               "X-Forwarded-Proto: https")
    assert who(told) == ("2001:db8::7", "80", "127.0.0.1", "http", None)
    told = ask(server, FORWARDED, f"Forwarded: for={VICTIM};proto=http, for={CLIENT};proto=https")
    assert who(told) == (CLIENT, "0", "127.0.0.1", "https", "on")
    told = ask(server, REAL_IP, *CLAIMS[:2], f"X-Real-IP: {CLIENT}")
    assert who(told) == (CLIENT, "0", "127.0.0.1", "http", None)


def test_hops_behind_the_proxy_are_walked_to_the_first_stranger(server):
    told = ask(server, XFF, f"X-Forwarded-For: {VICTIM}, {CLIENT}:4711, 10.1.2.3")
    assert who(told)[:3] == (CLIENT, "4711", "127.0.0.1")
    told = ask(server, XFF, f"X-Forwarded-For: {VICTIM}, unknown, 10.1.2.3")
    assert who(told)[:3] == ("10.1.2.3", "0", "127.0.0.1")


def test_address_of_the_proxy_header_is_the_peer_for_the_others(server):
    claims = [f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Proto: https"]
    told = ask(server, BOTH, *claims, before=v1("192.0.2.3"))
    assert who(told) == (CLIENT, "0", "127.0.0.1", "https", "on")
    told = ask(server, BOTH, *claims, before=v2(VICTIM))
    assert who(told) == (VICTIM, "55555", "127.0.0.1", "http", None)


def test_page_must_come_by_https_when_the_client_did(server):
    def status(listener, *fields):
        with raw.Connection(server.address(listener)) as connection:
            connection.send(raw.upgrade_head(host="example.test", fields=fields))
            return connection.read_head().status
    https = "X-Forwarded-Proto: https"
    assert status(XFF, https, "Origin: https://example.test") == 101
    assert status(XFF, https, "Origin: https://example.test:443") == 101
    assert status(XFF, https, "Origin: http://example.test") == 403
    assert status(XFF, https, "Origin: http://example.test:443") == 403
    assert status(XFF, "Origin: http://example.test") == 101
    assert status(PLAIN, https, "Origin: http://example.test") == 101


# -- what others see ---------------------------------------------------------------------------


@pytest.mark.parametrize("listener, before, fields, client", [
    (PROXY, v1(CLIENT, 1001), [], f"{CLIENT}:1001"),
    (UNIX_PROXY, v2("2001:db8::7", 1002, "::1"), [], "[2001:db8::7]:1002"),
    (XFF, b"", [f"X-Forwarded-For: {CLIENT}:1003"], f"{CLIENT}:1003"),
    (UNIX_XFF, b"", [f"X-Forwarded-For: {CLIENT}:1004"], f"{CLIENT}:1004"),
])
def test_log_and_connections_show_the_client(server, listener, before, fields, client):
    with raw.Connection(server.address(listener)) as connection:
        connection.send(before + raw.upgrade_head(fields=fields))
        ws = wsclient.WebSocket.over(connection)
        server.wait_event("open", client=client)
        assert re.search(rf"^\d+ +{re.escape(client)} ", server.command("connections").stdout, re.M)
        ws.close(1000)
    server.wait_event("close", client=client)


def test_refusals_show_the_client(server):
    client = f"{CLIENT}:2001"
    raw.request(server.address(XFF), plain_head(f"X-Forwarded-For: {client}", path="/nowhere"))
    assert server.wait_event("refuse", client=client)["reason"] == "no-route"
    # Also where the head is well-formed and says something else that is wrong.
    client = f"{CLIENT}:2002"
    raw.request(server.address(XFF), plain_head(f"X-Forwarded-For: {client}", host="a b"))
    assert server.wait_event("refuse", client=client)["reason"] == "host"


def test_hash_of_the_address_is_that_of_the_client(server):
    def child_of(address, port):
        with raw.Connection(server.address(PROXY)) as connection:
            connection.send(v1(address, port) + raw.upgrade_head("/hash"))
            wsclient.WebSocket.over(connection).close(1000)
        return server.wait_event("open", client=f"{address}:{port}")["child"]
    assert len({child_of("192.0.2.1", 3000 + number) for number in range(6)}) == 1
    assert len({child_of(f"192.0.2.{number}", 3100) for number in range(16)}) > 1
