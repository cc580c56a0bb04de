#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An auth child of baton in plain Python: lets in who has a session cookie of our web pages.

    pool "session" { kind = "auth"  command = {"/srv/auth_example.py", "/srv/session.key"} }
    route "/chat"  { pool = "chat"  auth = "session" }

The cookie is session=USER:EXPIRES:SIGNATURE, the last being the HMAC-SHA256 of what stands before
it, with the text of the file as the key. `auth_example.py FILE USER` prints one for an hour, to
try it. docs/protocol.md has the messages; waiting in recv is fine here, for there is nothing else
to do: an auth child has no clients of its own.
"""

import hashlib
import hmac
import os
import re
import socket
import struct
import sys
import time
from pathlib import Path

HELLO, AUTH, PING, DRAIN = 1, 5, 7, 8
READY, PONG, ALLOW, DENY = 65, 69, 75, 76
HEADER = struct.Struct("<BBHIQ")    # version, type, reserved, length, id
MAX_PACKET = 48 * 1024


def sign(secret, text):
    return f"{text}:{hmac.new(secret, text.encode('latin-1'), hashlib.sha256).hexdigest()}"


def session_cookies(head):
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "cookie":
            for cookie in value.split(";"):
                name, _, value = cookie.strip().partition("=")
                if name == "session":
                    yield value


def judge(secret, head):
    """The answer: its type, and its pairs."""
    for cookie in session_cookies(head):
        text = cookie.rpartition(":")[0]
        if hmac.compare_digest(cookie.encode(), sign(secret, text).encode()):
            user, _, expires = text.rpartition(":")     # ours: nobody else can sign
            if int(expires) > time.time():
                return ALLOW, {"REMOTE_USER": user, "AUTH_TYPE": "session"}
    return DENY, {"STATUS": 403, "REASON": "please log in first"}


def serve(channel, secret):
    def say(kind, ident=0, **pairs):
        payload = b"".join(f"{k}={v}\0".encode("latin-1") for k, v in pairs.items())
        channel.send(HEADER.pack(1, kind, 0, len(payload), ident) + payload)

    while packet := channel.recv(MAX_PACKET):           # empty: the gateway is gone
        _, kind, _, _, ident = HEADER.unpack_from(packet)
        if kind == HELLO:
            say(READY)
        elif kind == PING:
            say(PONG)
        elif kind == DRAIN:
            return
        elif kind == AUTH:
            text = packet[HEADER.size:].decode("latin-1")
            pairs = dict(pair.split("=", 1) for pair in text.split("\0")[:-1])
            kind, said = judge(secret, pairs["HEAD"])
            say(kind, ident, **said)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: auth_example.py KEY-FILE [USER]   (USER: prints a cookie)")
    path, *user = sys.argv[1:]
    try:
        secret = Path(path).read_bytes().strip()
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")
    if len(secret) < 32:
        sys.exit(f"{path}: a key has 32 bytes or more (openssl rand -hex 32 makes one)")
    if user and not re.fullmatch(r"[\w.@-]+", user[0], re.ASCII):
        sys.exit(f"{user[0]!r} does not fit into a cookie: letters, digits, _ . @ -")
    if user:
        print("session=" + sign(secret, f"{user[0]}:{int(time.time()) + 3600}"))
    elif os.environ.get("BATON_PROTOCOL") != "1":
        sys.exit("this is the command of a pool of kind \"auth\": baton starts it")
    else:
        serve(socket.socket(fileno=int(os.environ["BATON_FD"])), secret)


if __name__ == "__main__":
    main()
