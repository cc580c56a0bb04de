# SPDX-License-Identifier: MIT
"""Routes with http = true: which plain requests reach a child, what it is told of them, and that
the bytes of a body are its alone. The child answers with what it got, as JSON."""

import base64
import json
import os
import sys

import pytest

import gateway
import raw
import wsclient

HTTP_CHILD = gateway.REPOSITORY / "tests" / "support" / "http_child.py"
CONFIG = f"""
pool "http"   {{ command = {{"{sys.executable}", "{HTTP_CHILD}"}}  children = 2 }}
pool "echo"   {{ command = {{"baton-echo"}}  children = 1 }}
route "/http" {{ pool = "http"  http = true }}
route "/only" {{ pool = "http" }}
route "/echo" {{ pool = "echo"  http = true }}
"""
HOST = "Host: 127.0.0.1\r\n"
UPGRADE = (f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {raw.KEY}\r\n"
           "Sec-WebSocket-Version: 13\r\n")
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def server():
    with gateway.Gateway(CONFIG) as running:
        yield running


def head(line="GET /http HTTP/1.1", fields=""):
    return f"{line}\r\n{HOST}{fields}\r\n".encode("latin-1")


def ask(server, line="GET /http HTTP/1.1", fields="", body=b""):
    """What the child got, its body decoded."""
    response = raw.request(server.address(), head(line, fields) + body)
    assert response.status == 200, response
    told = json.loads(response.body)
    told["BODY"] = base64.b64decode(told["BODY"])
    return told


def chunks(*pieces, last=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + last


def check_alive(server):
    assert ask(server)["REQUEST_METHOD"] == "GET"
    with wsclient.WebSocket(server.address(), path="/http/ws") as ws:
        ws.echo("still here")
        ws.close(1000)


METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "get", "M-SEARCH"]


@pytest.mark.parametrize("method", METHODS)
def test_any_method_reaches_the_child(server, method):
    told = ask(server, f"{method} /http/a?b=c HTTP/1.1")
    assert (told["REQUEST_METHOD"], told["REQUEST_URI"]) == (method, "/http/a?b=c")
    assert (told["SCRIPT_NAME"], told["PATH_INFO"], told["QUERY_STRING"]) == ("/http", "/a", "b=c")


def test_head_request_is_answered_without_a_body(server):
    response = raw.request(server.address(), head("HEAD /http HTTP/1.1"))
    assert (response.status, response.body) == (200, b"")
    assert int(response.headers["content-length"]) > 0


def test_canonical_head_says_close_and_no_upgrade(server):
    told = ask(server, fields="Connection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
               "HTTP2-Settings: AAMAAABk\r\nX-A: b\r\nX-Forwarded-For: 1.2.3.4\r\n"
               f"Sec-WebSocket-Key: {raw.KEY}\r\nSec_WebSocket_Version: 13\r\n")
    assert told["HEAD"] == f"GET /http HTTP/1.1\r\n{HOST}Connection: close\r\nX-A: b\r\n\r\n"


def test_foreign_origin_is_judged_for_upgrades_alone(server):
    origin = "Origin: https://evil.test\r\n"
    assert origin in ask(server, fields=origin)["HEAD"]
    response = raw.request(server.address(), head(fields=origin + UPGRADE))
    assert response.status == 403


def test_close_is_logged_with_the_status(server):
    client = raw.request(server.address(), head()).client
    assert server.wait_event("close", client=client)["code"] == "200"


# -- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("comes", ["with the head", "later"])
@pytest.mark.parametrize("sizes", [(0,), (1,), (1000,), (16384,), (60000,), (1 << 20,),
                                   (5, 1, 4000), (65536, 3, 65536)])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_reaches_the_child_whole(server, barrier, framing, sizes, comes):
    pieces = [os.urandom(size) for size in sizes]
    body = b"".join(pieces)
    if framing == "length":
        fields, sent = f"Content-Length: {len(body)}\r\n", body
    else:
        fields, sent = "transfer-encoding: Chunked\r\n", chunks(*filter(None, pieces))
    with raw.Connection(server.address()) as connection:
        if comes == "later":
            connection.send(head("POST /http HTTP/1.1", fields))
            barrier(server)
            connection.send(sent)
        else:
            connection.send(head("POST /http HTTP/1.1", fields) + sent)
        response = connection.read_response()
    told = json.loads(response.body)
    assert response.status == 200 and base64.b64decode(told["BODY"]) == body
    framed = {"length": f"\r\nContent-Length: {len(body)}\r\n",
              "chunked": "\r\nTransfer-Encoding: chunked\r\n"}
    assert [name for name, line in framed.items() if line in told["HEAD"]] == [framing]


def test_chunk_extensions_and_trailers_are_the_child_s_business(server):
    body = b"5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
    assert ask(server, "PUT /http HTTP/1.1", CHUNKED, body)["BODY"] == b"hello"


@pytest.mark.parametrize("body", [b"x\r\nhello\r\n", b"5\r\nhelloXX0\r\n\r\n", b"-5\r\nhello\r\n",
                                  b"\r\nhello\r\n", b"fffffffffffffffff\r\nhello"])
def test_bad_chunks_are_for_the_child_to_refuse(server, body):
    assert raw.request(server.address(), head("POST /http HTTP/1.1", CHUNKED) + body,
                       end=True).status == 400
    check_alive(server)


def test_body_in_pieces_after_the_head(server, barrier):
    body = os.urandom(3000)
    with raw.Connection(server.address()) as connection:
        for part in (head("POST /http HTTP/1.1", "Content-Length: 3000\r\n"), body[:1],
                     body[1:2000], body[2000:]):
            connection.send(part)
            barrier(server)
        told = json.loads(connection.read_response().body)
    assert base64.b64decode(told["BODY"]) == body


def test_head_split_before_its_body(server, barrier):
    whole = head("POST /http HTTP/1.1", "Content-Length: 5\r\n") + b"hello"
    for cut in range(1, len(whole), 9):
        with raw.Connection(server.address()) as connection:
            connection.send(whole[:cut])
            barrier(server)
            connection.send(whole[cut:])
            assert base64.b64decode(json.loads(connection.read_response().body)["BODY"]) == b"hello"


def test_client_that_ends_its_side_while_it_waits_gets_its_answer(start, barrier):
    pool = f'command = {{"{sys.executable}", "-B", "{HTTP_CHILD}"}}  children = 1  capacity = 1'
    server = start(f'pool "http" {{ {pool} }}  route "/http" {{ pool = "http"  http = true }}')
    with raw.Connection(server.address()) as holder, raw.Connection(server.address()) as waiting:
        holder.send(head("POST /http HTTP/1.1", "Content-Length: 1\r\n"))
        server.wait_event("open")
        waiting.send(head()[:20])
        barrier(server)         # from now on the gateway watches for the rest
        waiting.send(head()[20:])
        barrier(server)         # it is all there, and waits for room
        waiting.end()
        barrier(server)
        holder.send(b"x")
        assert holder.read_response().status == 200
        holder.close()
        assert waiting.read_response().status == 200


def test_expect_100_continue_passes_to_the_child(server):
    with raw.Connection(server.address()) as connection:
        connection.send(head("POST /http HTTP/1.1",
                             "Content-Length: 5\r\nExpect: 100-continue\r\n"))
        assert connection.read_head().status == 100
        connection.send(b"hello")
        told = json.loads(connection.read_response().body)
    assert base64.b64decode(told["BODY"]) == b"hello"
    assert "Expect: 100-continue" in told["HEAD"]


def test_second_request_behind_the_first_is_never_served(server):
    """Smuggled or pipelined: it would pass no judge."""
    with raw.Connection(server.address()) as connection:
        connection.send(head() + head("GET /http/second HTTP/1.1"))
        response = connection.read_response()
    assert response.raw.count(b"HTTP/1.1 ") == 1 and b"second" not in response.raw


# -- refused -----------------------------------------------------------------------------------

BOTH = "Content-Length: 5\r\n" + CHUNKED

# (what is wrong, request line, fields, status, reason in the log)
REFUSALS = [
    ("CONNECT", "CONNECT /http HTTP/1.1", "", 405, "method"),
    ("TRACE", "TRACE /http HTTP/1.1", "", 405, "method"),
    ("both framings", "POST /http HTTP/1.1", BOTH, 400, "framing"),
    ("both framings on GET", "GET /http HTTP/1.1", BOTH, 400, "framing"),
    ("two equal lengths", "POST /http HTTP/1.1", "Content-Length: 5\r\n" * 2, 400, "duplicate"),
    ("two lengths", "POST /http HTTP/1.1", "Content-Length: 5\r\nContent-Length: 6\r\n", 400,
     "duplicate"),
    ("list of lengths", "POST /http HTTP/1.1", "Content-Length: 5, 5\r\n", 400, "framing"),
    ("signed length", "POST /http HTTP/1.1", "Content-Length: +5\r\n", 400, "framing"),
    ("length of 2^63", "POST /http HTTP/1.1", f"Content-Length: {2 ** 63}\r\n", 400, "framing"),
    ("empty length", "POST /http HTTP/1.1", "Content-Length: \r\n", 400, "framing"),
    ("gzip alone", "POST /http HTTP/1.1", "Transfer-Encoding: gzip\r\n", 400, "framing"),
    ("chunked, then gzip", "POST /http HTTP/1.1", "Transfer-Encoding: chunked, gzip\r\n", 400,
     "framing"),
    ("chunked twice", "POST /http HTTP/1.1", CHUNKED * 2, 400, "framing"),
    ("chunked with a space", "POST /http HTTP/1.1", "Transfer-Encoding : chunked\r\n", 400,
     "bad-field"),
    ("chunked behind a tab", "POST /http HTTP/1.1", "Transfer-Encoding: x\tchunked\r\n", 400,
     "framing"),
    ("gzip, then chunked", "POST /http HTTP/1.1", "Transfer-Encoding: gzip, chunked\r\n", 501,
     "coding"),
    ("HTTP/1.0", "GET /http HTTP/1.0", "", 505, "version"),
    ("dot segment", "GET /http/../x HTTP/1.1", "", 400, "path"),
    ("Connection names Host", "GET /http HTTP/1.1", "Connection: host\r\n", 400, "connection"),
    ("broken upgrade", "GET /http HTTP/1.1", UPGRADE.replace("13", "8"), 426, "ws-version"),
    ("upgrade with a body", "GET /http HTTP/1.1", UPGRADE + "Content-Length: 5\r\n", 400,
     "framing"),
    ("POST upgrade", "POST /http HTTP/1.1", UPGRADE, 405, "method"),
    ("GET without http", "GET /only HTTP/1.1", "", 426, "not-upgrade"),
    ("HEAD without http", "HEAD /only HTTP/1.1", "", 426, "not-upgrade"),
    ("POST without http", "POST /only HTTP/1.1", "Content-Length: 5\r\n", 405, "method"),
    ("h2c without http", "GET /only HTTP/1.1", "Upgrade: h2c\r\nConnection: Upgrade\r\n", 426,
     "not-upgrade"),
]


@pytest.mark.parametrize("what, line, fields, status, reason", REFUSALS,
                         ids=[row[0].replace(" ", "-") for row in REFUSALS])
def test_refused_before_any_child(server, what, line, fields, status, reason):
    response = raw.request(server.address(), head(line, fields) + b"hello")
    assert response.status == status, (what, response)
    assert "close" in response.headers["connection"].lower()
    assert server.wait_event("refuse", client=response.client)["reason"] == reason


def test_upgrade_on_an_http_route_opens_a_websocket(server):
    check_alive(server)


def test_child_of_baton_h_answers_a_plain_request_with_400(server):
    for fields in ("", f"Sec-WebSocket-Key: {raw.KEY}\r\nSec-WebSocket-Version: 13\r\n"):
        response = raw.request(server.address(), head("GET /echo HTTP/1.1", fields))
        assert response.status == 400, response
        line = server.wait_event("open", client=response.client)
        assert server.wait_event("close", id=line["id"])["code"] == "400"
    with wsclient.WebSocket(server.address(), path="/echo") as ws:
        ws.echo("upgrades are served")
        ws.close(1000)


def test_python_child_refuses_a_plain_request_with_400(start):
    child = gateway.REPOSITORY / "tests" / "support" / "python_child.py"
    running = start(f'pool "p" {{ command = {{"{sys.executable}", "{child}"}}  children = 1 }}\n'
                    'route "/" { pool = "p"  http = true }')
    assert raw.get(running.address(), "/").status == 400
    assert running.wait_event("refuse")["reason"] == "by-child"
