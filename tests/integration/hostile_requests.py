# SPDX-License-Identifier: MIT
"""What a stranger may send instead of a correct request: the data of test_hostile.py.

Each row was written from the RFC that it names, not from the code. /echo speaks WebSocket only,
/http hands plain requests over to http_child.py, which answers 200, or 400 to a bad body."""

from dataclasses import dataclass

from raw import KEY

LIMIT = 16384        # head_limit
MOST_FIELDS = 100
MOST_TARGET = 8000   # RFC 9112, 3
CLOSED = 0           # as a status: the end of file and not a byte before it

# How the bytes are sent.
WHOLE = "whole"            # in one piece
BYTEWISE = "bytewise"      # each alone, seen by the gateway before the next
SPLIT = "split"            # in two, at `at`
END = "end"                # no more comes, and the client says so
URGENT = "urgent"          # the byte at `at` is TCP urgent data
BEHIND = "behind"          # with 64 KiB of zeros behind
PIPELINED = "pipelined"    # with a correct upgrade behind


@dataclass
class Row:
    name: str
    rfc: str          # the document and the section that the answer is from
    data: bytes
    status: int
    reason: str = ""  # in the log; "" where a child answers
    how: str = WHOLE
    at: int = 0


def upgrade(line="GET /echo HTTP/1.1", more="", **changed):
    """A correct upgrade but for what is given; a field of None is left out."""
    fields = {"host": "Host: 127.0.0.1", "upgrade": "Upgrade: websocket",
              "connection": "Connection: Upgrade", "key": f"Sec-WebSocket-Key: {KEY}",
              "version": "Sec-WebSocket-Version: 13", **changed}
    lines = [line, *(text for text in fields.values() if text is not None)]
    return ("\r\n".join(lines) + "\r\n" + more + "\r\n").encode("latin-1")


def plain(line="GET /http HTTP/1.1", more="", body="", host="Host: 127.0.0.1\r\n"):
    return f"{line}\r\n{host}{more}\r\n{body}".encode("latin-1")


def post(more="", body="hello"):
    return plain("POST /http HTTP/1.1", more, body)


def chunked(body):
    return post("Transfer-Encoding: chunked\r\n", body)


def padded(size):
    """A correct upgrade of so many bytes."""
    start = "X-Padding: "
    return upgrade(more=start + "x" * (size - len(upgrade(more=start + "\r\n"))) + "\r\n")


def each(rfc, status, reason, build, *values, how=WHOLE):
    """A row for each value, or for each name of a dict."""
    named = values[0] if len(values) == 1 and isinstance(values[0], dict) else {
        repr(value): value for value in values}
    return [Row(name, rfc, build(value), status, reason, how) for name, value in named.items()]


GOOD = upgrade()
UTF8 = "\xc3\xa9"

LINE = [
    Row("LF in front", "9112 2.2", b"\n" + GOOD, 400, "bare-lf"),
    Row("space in front", "9112 3", b" " + GOOD, 400, "bad-line"),
    Row("tab in front", "9112 3", b"\t" + GOOD, 400, "bad-method"),
    Row("BOM in front", "9112 3", b"\xef\xbb\xbf" + GOOD, 400, "bad-method"),
    Row("nothing but empty lines", "9112 2.2", b"\r\n\r\n\r\n", 400, "bad-line"),
    *each("9112 3", 400, "bad-line", upgrade, "GET", "GET ", "GET /echo", "GET /echo ",
          "GET  /echo HTTP/1.1", "GET /echo  HTTP/1.1", "GET /echo HTTP/1.1 ",
          "GET /echo HTTP/1.1\t", "GET /a /echo HTTP/1.1", "GET /echo HTTP/1.1 HTTP/1.1",
          "GET /echo HTTP/1.1\x0b"),
    *each("9112 3", 400, "bad-method", upgrade, "GET\t/echo HTTP/1.1", "GET\x0b/echo HTTP/1.1",
          "GET:/echo HTTP/1.1", "GET/echo HTTP/1.1", "G(ET /echo HTTP/1.1", '"GET" /echo HTTP/1.1',
          "G\x7fT /echo HTTP/1.1", f"G{UTF8}T /echo HTTP/1.1", "HTTP/1.1 200 OK", "/echo"),
    *each("9112 3.2", 400, "bad-target", upgrade, "GET /echo\tHTTP/1.1", "GET /echo\x0cHTTP/1.1",
          f"GET /echo{UTF8} HTTP/1.1", "GET /echo\x7f HTTP/1.1", "GET /echo\x01 HTTP/1.1"),
    *each("9112 2.3", 400, "bad-line", lambda version: upgrade(f"GET /echo {version}"),
          "http/1.1", "Http/1.1", "HTTP/1", "HTTP/1.", "HTTP/1.10", "HTTP/01.1", "HTTP/11.1",
          "HTTP/1,1", "HTTP/1.x", "HTTP /1.1", "HTTP1.1", "HTTPS/1.1", "HTTP/-1.1", "RTSP/1.0"),
    *each("9110 15.6.6", 505, "version", lambda version: upgrade(f"GET /echo HTTP/{version}"),
          "0.0", "0.9", "1.0", "2.0", "2.1", "3.0", "9.9"),
    Row("HTTP/1.0 without a Host", "9110 15.6.6", b"GET /http HTTP/1.0\r\n\r\n", 505, "version"),
    Row("HTTP/0.9", "9112 3", b"GET /echo\r\n", 400, "bad-line"),
    *each("9112 2.2", 400, "bare-lf", bytes, {
        "lines end in LF": GOOD.replace(b"\r\n", b"\n"),
        "lines end in CR": GOOD.replace(b"\r\n", b"\r"),
        "the line ends in LF": GOOD.replace(b"\r\n", b"\n", 1),
        "the line ends in CR": GOOD.replace(b"\r\n", b"\r", 1),
        "the line ends in LF CR": GOOD.replace(b"\r\n", b"\n\r", 1),
        "the line ends in CR CR LF": GOOD.replace(b"\r\n", b"\r\r\n", 1),
        "LF in the target": GOOD.replace(b"/echo", b"/echo\nX", 1),
        "a last LF alone": GOOD[:-2] + b"\n"}),
    *each("9112 2.2", 400, "bad-line", lambda text: GOOD.replace(b"/echo HTTP/1.1", text, 1),
          b"/echo\rX HTTP/1.1", b"/echo \rHTTP/1.1", b"/echo HTTP/\r1.1"),
    *each("9110 5.5", 400, "nul", upgrade, "\0GET /echo HTTP/1.1", "G\0T /echo HTTP/1.1",
          "GET /echo\0 HTTP/1.1", "GET /echo HTTP/1.1\0", "GET /echo HTTP/\0.1"),
    Row("endless method", "6585 5", b"A" * (LIMIT + 100), 431, "head-too-large"),
    Row("endless spaces behind the line", "9112 3", b"GET /echo HTTP/1.1" + b" " * LIMIT, 400,
        "bad-line"),
]

METHODS = [
    *each("6455 4.2.1", 405, "method", lambda method: upgrade(f"{method} /echo HTTP/1.1"), "get",
          "Get", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "GETT",
          "PRI", "!#$%&'*+-.^_`|~", "M" * 1000),
    *each("9110 9.3", 405, "method", lambda method: plain(f"{method} /http HTTP/1.1"), "CONNECT",
          "TRACE"),
    *each("9110 9.3.6", 405, "method", lambda target: plain(f"CONNECT {target} HTTP/1.1"),
          "127.0.0.1:80", "[::1]:443", "/", "*"),
    *each("9110 9.1", 200, "", lambda method: plain(f"{method} /http HTTP/1.1"), "GET", "HEAD",
          "POST", "OPTIONS", "DELETE", "QUERY", "get"),
    *each("9110 15.5.22", 426, "not-upgrade", lambda method: plain(f"{method} /echo HTTP/1.1"),
          "GET", "HEAD"),
    *each("9110 15.5.6", 405, "method", lambda method: plain(f"{method} /echo HTTP/1.1"), "POST",
          "PUT", "DELETE", "OPTIONS", "FOO"),
    *each("9110 9.3.2", 400, "bad-field", bytes, {
        "HEAD, and a bad field": plain("HEAD /http HTTP/1.1", "X A: b\r\n")}),
    Row("HEAD of HTTP/1.0", "9110 9.3.2", b"HEAD /http HTTP/1.0\r\n\r\n", 505, "version"),
    Row("half a HEAD", "9110 9.3.2", b"HEAD /http HTTP/1.1\r\n", 400, "half-head", END),
]

# Clients that are on the wrong port.
OTHERS = [
    *each("9112 3", 400, "bad-method", bytes, {
        "TLS ClientHello": b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03" + bytes(range(233)),
        "SOCKS 4": b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", "SOCKS 5": b"\x05\x01\x00",
        "MQTT": b"\x10\x13\x00\x04MQTT\x04\x02\x00\x3c\x00\x07baton-1",
        "telnet": b"\xff\xfd\x18\xff\xfd\x20", "WebSocket frame": b"\x81\x85\1\2\3\4iglhj",
        "JSON": b'{"a": 1}\r\n', "gopher": b"/about\r\n",
        "SSL 2": b"\x80\x2e\x01\x00\x02\x00\x15"}),
    *each("9112 3", 400, "nul", bytes, {
        "PostgreSQL": b"\x00\x00\x00\x08\x04\xd2\x16\x2f", "SMB": b"\x00\x00\x00\x54\xffSMBr",
        "DNS": b"\x00\x1d\x12\x34\x01\x00\x00\x01", "zeros": bytes(100)}),
    *each("9112 3", 400, "bad-line", bytes, {
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n", "SMTP": b"EHLO example.test\r\n",
        "FTP": b"USER anonymous\r\n", "IRC": b"NICK baton\r\nUSER a 0 * :b\r\n",
        "Redis": b"*1\r\n$4\r\nPING\r\n", "memcached": b"stats\r\n",
        "SIP": b"INVITE sip:a@b.test SIP/2.0\r\n\r\n",
        "PROXY 1 where none is due": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + GOOD,
        "PROXY 2 where none is due":
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\0\1\0\2" + GOOD}),
    Row("HTTP/2 preface", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version"),
    Row("h2c", "9110 7.8", plain("GET /echo HTTP/1.1", "Upgrade: h2c\r\nConnection: Upgrade, "
        "HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n"), 426, "not-upgrade"),
    Row("h2c where plain HTTP is spoken", "9110 7.8", plain(more="Upgrade: h2c\r\nConnection: "
        "Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n"), 200),
]


def target(text):
    return upgrade(f"GET {text} HTTP/1.1")


TARGETS = [
    *each("9112 3.2.1", 101, "", target, "/echo", "/echo/", "/echo//", "/echo/a/b", "/echo/...",
          "/echo/.a", "/echo/a..", "/echo?", "/echo??", "/echo?a=b&c", "/echo?/../", "/echo?%00",
          "/echo/%C3%A9", "/echo/%c3%a9", "/echo/:@!$&'()*+,;=-._~", "/echo/a%20b",
          "/echo?http://a:1/?b"),
    *each("9110 15.5.5", 404, "no-route", target, "/", "/ECHO", "/echoes", "/ech",
          "//127.0.0.1/echo", "/?/echo", "/nowhere"),
    *each("9112 3.2.2", 101, "", target, "http://127.0.0.1/echo", "HTTP://127.0.0.1/echo",
          "https://127.0.0.1/echo", "ws://127.0.0.1/echo", "WSS://127.0.0.1/echo?a"),
    *each("9110 15.5.5", 404, "no-route", target, "http://127.0.0.1", "http://127.0.0.1/",
          "http://127.0.0.1?/echo"),
    *each("9110 7.2", 400, "host", target, "http:///echo",
          "http://127.0.0.1:80/echo", "http://user@127.0.0.1/echo", "http://127.0.0.1./echo",
          "http://127.0.0.1@other.test/echo", "http://", "ws://[::1]/echo"),
    *each("9112 3.2", 400, "bad-target", target, "echo", "*", "127.0.0.1", "127.0.0.1:80", "?a",
          "ftp://127.0.0.1/echo", "http:/echo", "http:echo", "file:///echo", "\\echo", "%2Fecho",
          ".", "../echo", "javascript:alert(1)"),
    *each("3986 3.3", 400, "path", target, "/echo%", "/echo%2", "/echo%zz", "/echo%u0041",
          "/echo%00", "/echo\\a", '/echo"', "/echo<a>", "/echo^", "/echo`", "/echo{a}", "/echo|a",
          "/echo[a]", "/echo#", "/echo#a", "/#/echo", "http://127.0.0.1#/echo"),
    *each("3986 3.4", 400, "path", target, "/echo?#", "/echo?a#b", "/echo?%", "/echo?%g0",
          "/echo?<", "/echo?[", "/echo?a|b", "/echo?\\", '/echo?"'),
    *each("3986 5.2.4", 400, "path", target, "/.", "/..", "/./echo", "/../echo", "/echo/.",
          "/echo/..", "/echo/../echo", "/echo/a/../b", "/echo/%2e", "/echo/%2E%2e", "/echo/.%2e/a",
          "/echo/..%2fa", "/echo/..%5Ca", "/echo%2f..%2fa", "/echo/%2e%2e?a"),
    Row("target of 8000 bytes", "9112 3", target("/echo?" + "x" * (MOST_TARGET - 6)), 101),
    Row("target of 8001 bytes", "9110 15.5.15", target("/echo?" + "x" * (MOST_TARGET - 5)), 414,
        "target-too-long"),
    Row("endless target", "9110 15.5.15", b"GET /" + b"x" * 70000, 414, "target-too-long"),
]


def field(text):
    return upgrade(more=text + "\r\n")


FIELDS = [
    *each("9112 5", 101, "", field, "X-A:", "X-A: ", "X-A:\t \t", "X-A:b", "X-A:  b  ", "X-A: b\tc",
          "X-A: b: c", "X-A: \x80\xff", f"X-A: {UTF8}", "x_a: b", "!#$%&'*+-.^_`|~1: b", "1: b",
          'X-A: "b', "X-A: {}()<>@,;\\", "X-A: b\r\nX-A: b", "X" * 1000 + ": b",
          "Cookie: " + "c" * 15000),
    *each("9112 5.1", 400, "bad-field", field, "X-A : b", "X-A\t: b", "X A: b", ": b", ":path: /",
          "X-A", "X-A b", "X(A: b", "X,A: b", "X/A: b", "X@A: b", 'X"A: b', "X[A]: b",
          f"X{UTF8}: b", "Host : a", "Content-Length : 5"),
    *each("9110 5.5", 400, "bad-field", field, "X-A: b\x01", "X-A: \x08", "X-A: b\x0bc",
          "X-A: b\x0cc", "X-A: \x1b[2J", "X-A: b\x7f"),
    *each("9110 5.5", 400, "nul", field, "X-A: b\0c", "X-A\0: b", "X-A: \0", "\0"),
    *each("9112 2.2", 400, "bare-lf", field, "X-A: b\rc", "X-A: b\nc", "X-A: b\nHost: a", "\nX: b",
          "X-A: b\r", "X-A: b\n", "X-A: b\r\r\n\r", "X-A: b\n\r\n"),
    Row("CR in a name", "9112 5.1", field("X\r-A: b"), 400, "bad-field"),
    *each("9112 5.2", 400, "obs-fold", field, "X-A: b\r\n c", "X-A: b\r\n\tc", "X-A:\r\n b",
          "X-A: b\r\n "),
    *each("9112 2.2", 400, "obs-fold", upgrade, "GET /echo HTTP/1.1\r\n X-A: b",
          "GET /echo HTTP/1.1\r\n\t", "GET /echo HTTP/1.1\r\n Host: a"),
    Row("100 fields", "6585 5", upgrade(more="X: y\r\n" * (MOST_FIELDS - 5)), 101),
    Row("101 fields", "6585 5", upgrade(more="X: y\r\n" * (MOST_FIELDS - 4)), 431,
        "too-many-fields"),
    Row("1000 fields", "6585 5", upgrade(more="X: y\r\n" * 1000), 431, "too-many-fields"),
    Row("head at the limit", "6585 5", padded(LIMIT), 101),
    Row("head a byte over it", "6585 5", padded(LIMIT + 1), 431, "head-too-large"),
    Row("head far over it", "6585 5", padded(70000), 431, "head-too-large"),
    Row("endless name", "6585 5", b"GET /echo HTTP/1.1\r\n" + b"x" * LIMIT, 431, "head-too-large"),
    Row("a fault behind the limit", "6585 5", padded(LIMIT + 10)[:-2] + b"\0\r\n", 431,
        "head-too-large"),
]


def host(text):
    return upgrade(host=None if text is None else f"Host: {text}")


HOSTS = [
    *each("9112 3.2", 101, "", host, "127.0.0.1:80", "a:0", "a:65535", "[::1]",
          "[::1]:8080", "[2001:db8::7f00:1]", "example.org", "EXAMPLE.org", "xn--exmple-cua.test",
          "a_b", "a-", "a%20b", "999", "0x7f.1", "*.test", "a;b", "a..b", "a." ),
    *each("9112 3.2", 400, "host", host, None, "", " ", "a b", "a\tb", "a/b", "a?b", "a#b", "a@b",
          "user:pw@a", "a:b", "a:-1", "a:+80", "a:80:80", "a:65536", "a:99999999999", "a:80 ,b",
          "::1", "[::1", "::1]", "[]", "[::g]", "[::1]80", "[::1]a", "[::1%eth0]",
          "[127.0.0.1]", "a%", "a%zz", "http://a", "a\\b", '"a"', "<a>",
          f"ex{UTF8}mple.test", "\xff", ":80", "a\x80:80"),
    *each("9112 3.2", 400, "host", bytes, {
        "twice the same": upgrade(more="Host: 127.0.0.1\r\n"),
        "twice": upgrade(more="Host: other.test\r\n"),
        "twice, once empty": upgrade(more="host:\r\n"),
        "a list": host("127.0.0.1, 127.0.0.1"),
        "none, and an absolute target": upgrade("GET http://127.0.0.1/echo HTTP/1.1", host=None),
        "none where plain HTTP is spoken": plain(host="")}),
    Row("Host last", "9110 5.3", upgrade(host=None, more="hOST: 127.0.0.1\r\n"), 101),
]


def length(text):
    return post(f"Content-Length: {text}\r\n")


def coding(text):
    return post(f"Transfer-Encoding: {text}\r\n", "5\r\nhello\r\n0\r\n\r\n")


FRAMING = [
    *each("6455 4.1", 400, "framing", field, "Content-Length: 5", "Content-Length: 1",
          "Content-Length: +0", "Content-Length: -0", "Content-Length:",
          "Content-Length: 0, 0", "Content-Length: 0x0", "Transfer-Encoding: chunked",
          "Transfer-Encoding: identity", "Transfer-Encoding:", "transfer-encoding: gzip",
          "Content-Length: 0\r\nTransfer-Encoding: chunked"),
    *each("9112 6.3", 101, "", field, "Content-Length: 0"),
    *each("9112 6.3", 400, "duplicate", bytes, {
        "two lengths of 0": upgrade(more="Content-Length: 0\r\n" * 2),
        "two lengths": post("Content-Length: 5\r\nContent-Length: 6\r\n"),
        "two equal lengths": post("Content-Length: 5\r\n" * 2),
        "two lengths, one odd": post("Content-Length: 5\r\ncontent-length: x\r\n")}),
    *each("9110 8.6", 400, "framing", length, "", "+5", "-5", "-0", "5, 5", "5,5", "5, 6", "5,",
          ",5", "5 5", "5;", "5.0", "5e0", "0x5", "05h", "five", '"5"', "\xb2", 2 ** 63, 2 ** 64,
          2 ** 64 + 5, "9" * 400),
    *each("9110 8.6", 200, "", length, "5", " 5 ", "\t5", "0005"),
    *each("9112 6.1", 400, "framing", coding, "", "identity", "gzip", "chunked, gzip",
          "chunked, identity", "chunked, chunked", "chunked,", ",chunked", ", ,", "xchunked",
          "chunkedx", "chunked x", "chunked;q=1", '"chunked"', "\x80chunked", "chunked;",
          "chunked\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding: identity",
          "chunked\r\nTransfer-Encoding:"),
    *each("9112 6.1", 501, "coding", coding, "gzip, chunked", "identity, chunked", "x, y, chunked",
          "gzip\r\nTransfer-Encoding: chunked", "gzip;q=1, chunked"),
    *each("9112 7", 200, "", coding, "chunked", "Chunked", "CHUNKED", " chunked ", "\tchunked\t"),
    *each("9112 6.3", 400, "framing", post, {
        "both": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "both, the other way round": "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "both, the coding unknown": "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n",
        "both, the length 0": "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"}),
    *each("9112 5.1", 400, "bad-field", post, "Transfer-Encoding : chunked\r\n",
          "Transfer-Encoding\t: chunked\r\n", "Content-Length: 5\r\nTransfer-Encoding\x0b: x\r\n"),
    *each("9112 5.2", 400, "obs-fold", post, "Transfer-Encoding:\r\n chunked\r\n",
          "Content-Length: 5\r\n Transfer-Encoding: chunked\r\n"),
    *each("9112 2.2", 400, "bare-lf", post,
          "Content-Length: 5\nTransfer-Encoding: chunked\r\n",
          "X: a\rTransfer-Encoding: chunked\r\n"),
    *each("9112 6.3", 200, "", post, {
        "a name that only looks like it": "Content-Length: 5\r\nTransfer_Encoding: chunked\r\n",
        "Content-Encoding is none of it": "Content-Length: 5\r\nContent-Encoding: chunked\r\n"}),
]

# The child's verdict: the gateway has handed the socket over, and nothing else happens on it.
CHUNKS = [
    *each("9112 7.1", 200, "", chunked, "0\r\n\r\n", "5;a=b\r\nhello\r\n0\r\n\r\n",
          "A\r\n0123456789\r\n0\r\n\r\n", "0005\r\nhello\r\n000\r\n\r\n",
          "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
    *each("9112 7.1", 400, "", chunked, "5\nhello\n0\n\n", "0x5\r\nhello\r\n0\r\n\r\n",
          "+5\r\nhello\r\n0\r\n\r\n", "5\r\nhelloo\r\n0\r\n\r\n", "\r\n", "x\r\n", "fffffffff\r\na",
          "5\r\nhel", "ffffffff\r\nhello", "5\r\nhello\r\n0\r\nX: y\r\n", how=END),
    Row("body shorter than its length", "9112 8", length(2 ** 63 - 1), 400, how=END),
    *each("9112 9.3", 200, "", bytes, {
        "GET": plain(), "GET with a length of 0": plain(more="Content-Length: 0\r\n"),
        "POST": post("Content-Length: 5\r\n"), "chunked": chunked("5\r\nhello\r\n0\r\n\r\n"),
        "keep-alive": plain(more="Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n")},
          how=PIPELINED),
]

TOKENS = [
    *each("6455 4.2.1", 101, "", lambda text: upgrade(upgrade=text), "Upgrade: WebSocket",
          "upgrade: WEBSOCKET", "Upgrade: websocket, foo", "Upgrade: h2c, websocket",
          "Upgrade: foo/1,\twebsocket\t", "Upgrade: ,websocket,,", "Upgrade:\r\nUpgrade: websocket",
          "Upgrade: h2c\r\nupgrade: websocket", "Upgrade: websocket, websocket"),
    *each("6455 4.2.1", 426, "not-upgrade", lambda text: upgrade(upgrade=text), None, "Upgrade:",
          "Upgrade: ,", "Upgrade: websocket/13", "Upgrade: web socket", 'Upgrade: "websocket"',
          "Upgrade: websocket;q=1", "Upgrade: websockets", "Upgrade: xwebsocket",
          "Upgrade: h2c", "Upgrade: websocket foo", "Upgrade: \x80websocket",
          "X-Upgrade: websocket"),
    *each("6455 4.2.1", 101, "", lambda text: upgrade(connection=text), "Connection: upgrade",
          "connection: UPGRADE", "Connection: keep-alive, Upgrade",
          "Connection: Upgrade, X-A, close", "Connection: ,,Upgrade,,",
          "Connection: foo\t,\tupgrade\t", "Connection:\r\nConnection: Upgrade",
          "Connection: keep-alive\r\nConnection: Upgrade",
          "Connection: Upgrade" + ", x" * 31),
    *each("6455 4.2.1", 400, "connection", lambda text: upgrade(connection=text), None,
          "Connection:", "Connection: ,", "Connection: close", "Connection: keep-alive",
          "Connection: Up grade", 'Connection: "Upgrade"', "Connection: Upgrade;q=1",
          "Connection: xUpgrade", "Connection: Upgraded", "Connection: keep-alive Upgrade",
          "Connection: Upgrade, a b", "Connection: Upgrade, (x)", "Proxy-Connection: Upgrade",
          "Connection: Upgrade" + ", x" * 32),
    *each("9110 7.6.1", 400, "connection", lambda text: upgrade(connection=text),
          "Connection: Upgrade, Host", "Connection: Upgrade, origin",
          "Connection: Upgrade, Sec-WebSocket-Key", "Connection: Upgrade, sec-websocket-anything"),
    Row("Connection names Host in a plain request", "9110 7.6.1",
        plain(more="Connection: host\r\n"), 400, "connection"),
    Row("an upgrade where plain HTTP is spoken", "9110 7.8", upgrade("GET /http HTTP/1.1"), 101),
    Row("a broken one there", "6455 4.2.2", upgrade("GET /http HTTP/1.1", key=None), 400, "key"),
]


def key(text):
    return upgrade(key=None if text is None else f"Sec-WebSocket-Key: {text}")


def version(text):
    return upgrade(version=None if text is None else f"Sec-WebSocket-Version: {text}")


def protocol(text):
    return field(f"Sec-WebSocket-Protocol: {text}")


def extension(text):
    return field(f"Sec-WebSocket-Extensions: {text}")


HANDSHAKE = [
    *each("6455 4.2.1", 101, "", key, "A" * 22 + "==", "+/" * 10 + "+Q==", f" \t{KEY}\t "),
    *each("6455 4.2.1", 400, "key", key, None, "", "x", KEY[:-1], KEY[:-2], KEY + "=", KEY[:-4],
          "A" * 24, "A" * 23 + "=", "A" * 43 + "=", "=" * 24, KEY[:-3] + "R==", KEY[:-3] + "h==",
          KEY.replace("h", "-"), KEY.replace("h", "_"), KEY.replace("h", "="), f'"{KEY}"',
          KEY.replace("h", " "), f"{KEY}, {KEY}", KEY.replace("h", "\xe9"), "A" * 5000),
    *each("6455 11.3.1", 400, "duplicate", bytes, {
        "two keys": upgrade(more=f"Sec-WebSocket-Key: {KEY}\r\n"),
        "two keys, one empty": upgrade(more="sec-websocket-key:\r\n"),
        "two versions": upgrade(more="Sec-WebSocket-Version: 13\r\n"),
        "two different versions": upgrade(more="Sec-WebSocket-Version: 8\r\n")}),
    *each("6455 4.4", 426, "ws-version", version, None, "", "0", "7", "8", "12", "14", "25", "255",
          "256", "013", "+13", "13.0", "13;", "13, 8", "8, 13", "0x0d", '"13"', "1 3", "\xb9\xb3"),
    *each("6455 4.2.1", 101, "", version, " 13\t"),
    *each("6455 4.1", 101, "", protocol, "a", "a, b", "a,b,c", "chat.v1", "a, A",
          "a\r\nSec-WebSocket-Protocol: b", ", ".join(f"p{n}" for n in range(64))),
    *each("6455 4.1", 400, "ws-field", protocol, "", ",", "a,", ",a", "a,,b", "a, a", "a b", "a/b",
          "a=b", '"a"', "(a)", UTF8, "a\r\nSec-WebSocket-Protocol: a",
          "a\r\nSec-WebSocket-Protocol:", ", ".join(f"p{n}" for n in range(65))),
    *each("6455 9.1", 101, "", extension, "permessage-deflate", "x", "a; b", "a; b=c; d", "a;b=1",
          'a; b="c"', "a, b; c, d", "permessage-deflate; client_max_window_bits=99",
          "a\r\nSec-WebSocket-Extensions: b"),
    *each("6455 9.1", 400, "ws-field", extension, "", ",", "a,,b", "a;", ";a", "a; ", "a;;b", "a=b",
          "a; b=", "a; =c", "a; b=c d", 'a; b="c', 'a; b="c d"', 'a; b=""', 'a; b="c"d', "a b",
          '"a"', UTF8, "a; b=\xe9", "a/b"),
]


def origin(text, where="127.0.0.1"):
    return upgrade(host=f"Host: {where}", more=f"Origin: {text}\r\n")


ORIGINS = [
    *each("6454 5", 101, "", origin, "http://127.0.0.1", "https://127.0.0.1", "http://127.0.0.1:80",
          "HTTP://127.0.0.1", "https://127.0.0.1:443"),
    *each("6454 5", 101, "", lambda pair: origin(*pair),
          ("http://[::1]", "[::1]"), ("http://[::1]:8080", "[::1]:8080"),
          ("https://EXAMPLE.test", "example.TEST"), ("http://example.test", "example.test:80"),
          ("https://example.test", "example.test:443")),
    *each("6455 10.2", 403, "origin", origin, "null", "NULL", "", "*", "127.0.0.1", "//127.0.0.1",
          "http:127.0.0.1", "http:/127.0.0.1", "http://", "http://127.0.0.1/",
          "http://127.0.0.1/echo", "http://user@127.0.0.1", "http://127.0.0.1:8080",
          "http://127.0.0.1:0", "http://127.0.0.1:80x", "http://127.0.0.1:", "ws://127.0.0.1",
          "http://127.0.0.1.evil.test", "http://evil.test", "http://127.0.0.1%00.evil.test",
          "http://127.0.0.1 http://127.0.0.1", "http://127.0.0.1, http://evil.test", "file://",
          "chrome-extension://abcdef", "http://127.0.0.10", "http://127.0.0.1?",
          "http://127.0.0.1#",
          "http://[::1]", f"http://127.0.0.1{UTF8}", "data:,x", "1http://127.0.0.1"),
    *each("6455 10.2", 403, "origin", lambda pair: origin(*pair),
          ("http://[::2]", "[::1]"), ("http://example.test", "example.test:443"),
          ("http://example.test:8080", "example.test"), ("http://xample.test", "example.test")),
    *each("6454 7.3", 400, "duplicate", bytes, {
        "two origins": upgrade(more="Origin: http://127.0.0.1\r\n" * 2),
        "two origins of a plain request": plain(more="Origin: a\r\nOrigin: b\r\n")}),
    Row("a foreign origin of a plain request", "6455 10.2",
        plain(more="Origin: http://evil.test\r\n"), 200),
]

# Where the design refuses what an RFC would have ignored, repaired or allowed: no client that means
# well sends it, and two parsers that read it differently are where attacks begin.
STRICTER = [
    Row("empty line in front, which SHOULD be ignored", "9112 2.2", b"\r\n" + GOOD, 400,
        "bad-line"),
    *each("9110 2.5", 505, "version", lambda text: upgrade(f"GET /echo HTTP/{text}"),
          {"1.2, which SHOULD be read as 1.1": "1.2", "1.9": "1.9"}),
    Row("the asterisk form", "9112 3.2.4", plain("OPTIONS * HTTP/1.1"), 400, "bad-target"),
    Row("absolute target of another host, whose Host MUST be ignored", "9112 3.2.2",
        target("http://other.test/echo"), 400, "host"),
    *each("3986 3.2.3", 400, "host", host, {"an empty port": "a:", "the same of IPv6": "[::1]:"}),
    *each("3986 3.2.2", 400, "host", host, {"an address of the future": "[v1.a]",
          "digits and dots that are no IPv4 address": "1.2.3.400", "the same": "127.1."}),
    *each("3986 3.3", 400, "path", target, {  # programs differ, and so would the route
        "parameters of a segment that is a route's": "/echo;a=b", "an empty segment": "//echo"}),
    Row("a length of 00 in an upgrade", "9110 8.6", field("Content-Length: 00"), 400, "framing"),
]

HALF = GOOD[:60]
BAD = target("/nowhere")
SENDING = [
    *(Row(f"good head in two, at {at}", "9112 2.2", GOOD, 101, "", SPLIT, at)
      for at in range(1, len(GOOD), 7)),
    *(Row(f"good head in two, {back} before its end", "9112 2.2", GOOD, 101, "", SPLIT,
          len(GOOD) - back) for back in (1, 2, 3)),
    *(Row(f"bad head in two, at {at}", "9112 3.2", host(None), 400, "host", SPLIT, at)
      for at in range(1, len(host(None)), 23)),
    Row("good head byte by byte", "9112 2.2", GOOD, 101, "", BYTEWISE),
    Row("plain head byte by byte", "9112 2.2", plain(), 200, "", BYTEWISE),
    Row("foreign origin byte by byte", "6455 10.2", origin("null"), 403, "origin", BYTEWISE),
    Row("bare LF byte by byte", "9112 2.2", b"GET /echo HTTP/1.1\n", 400, "bare-lf", BYTEWISE),
    Row("head at the limit in two", "6585 5", padded(LIMIT), 101, "", SPLIT, LIMIT - 1),
    Row("head a byte over it in two", "6585 5", padded(LIMIT + 1), 431, "head-too-large", SPLIT,
        LIMIT - 1),
    *each("9112 9.6", 404, "no-route", bytes, {"refused, 64 KiB behind": BAD}, how=BEHIND),
    *each("9112 9.6", 400, "bad-method", bytes, {"garbage, 64 KiB behind": b"\x16\x03"},
          how=BEHIND),
    *each("9112 9.6", 426, "not-upgrade", bytes, {"plain, 64 KiB behind": plain(
        "GET /echo HTTP/1.1")}, how=BEHIND),
    *each("9112 9.6", 405, "method", bytes, {"POST, 64 KiB behind": plain(
        "POST /echo HTTP/1.1", "Content-Length: 65536\r\n")}, how=BEHIND),
    *each("9112 9.6", 505, "version", bytes, {"HTTP/1.0, 64 KiB behind":
        b"GET / HTTP/1.0\r\n\r\n"}, how=BEHIND),
    *each("9112 9.6", 431, "head-too-large", bytes, {"too large, 64 KiB behind":
        b"GET /echo HTTP/1.1\r\nX: " + b"x" * LIMIT}, how=BEHIND),
    *each("6455 5.1", 101, "", bytes, {"upgrade, 64 KiB of no frames behind": GOOD}, how=BEHIND),
    *each("9112 9.3.2", 404, "no-route", bytes, {"refused, and an upgrade": BAD}, how=PIPELINED),
    *each("9112 9.3.2", 426, "not-upgrade", bytes, {"plain, and an upgrade": plain(
        "GET /echo HTTP/1.1")}, how=PIPELINED),
    *each("9112 9.3.2", 400, "framing", bytes, {"smuggled upgrade": upgrade(
        more=f"Content-Length: {len(GOOD)}\r\n")}, how=PIPELINED),
    *each("9112 9.3.2", 405, "method", bytes, {"body that is an upgrade": plain(
        "POST /echo HTTP/1.1", f"Content-Length: {len(GOOD)}\r\n")}, how=PIPELINED),
    *each("6455 5.1", 101, "", bytes, {"upgrade, and an upgrade": GOOD}, how=PIPELINED),
    *each("9112 8", 400, "half-head", bytes, {
        "the line's beginning and the end": b"GET", "half a head and the end": HALF,
        "all but a byte and the end": GOOD[:-1]}, how=END),
    *each("9112 8", CLOSED, "", bytes, {"nothing and the end": b""}, how=END),
    *each("9112 9.6", 404, "no-route", bytes, {"refused, and the end": BAD}, how=END),
    *each("9112 9.6", 400, "nul", bytes, {"NUL and the end": b"GET /\0"}, how=END),
    *each("9112 9.6", 200, "", bytes, {"plain request and the end": plain()}, how=END),
    *each("6455 7.1.5", 101, "", bytes, {"upgrade and the end": GOOD}, how=END),
    *(Row(f"urgent byte at {at}", "9293 3.8.5", GOOD, 400, "urgent-data", URGENT, at)
      for at in (1, 20, 60, len(GOOD) - 1)),
    Row("urgent byte behind a refused head", "9293 3.8.5", BAD + b"!", 404, "no-route", URGENT,
        len(BAD)),
    *each("9110 15.5.9", 408, "head-timeout", bytes, {"half a head and nothing more": HALF,
        "a byte and nothing more": b"G", "all but a byte and nothing more": GOOD[:-1],
        "all fields but no end": GOOD[:-2]}),
]

GROUPS = {"line": LINE, "method": METHODS, "other": OTHERS, "target": TARGETS, "field": FIELDS,
          "host": HOSTS, "framing": FRAMING, "chunks": CHUNKS, "tokens": TOKENS,
          "handshake": HANDSHAKE, "origin": ORIGINS, "stricter": STRICTER,
          "sending": SENDING}
ROWS = [(group, row) for group, rows in GROUPS.items() for row in rows]
