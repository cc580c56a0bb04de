#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An auth child for the integration tests: the request's query says what it answers.

    user=NAME             ALLOW with REMOTE_USER, AUTH_TYPE, and AUTH_SEEN: all that it was told
    size=BYTES            ALLOW with so many bytes of pairs
    deny=STATUS           DENY; with reason=TEXT and challenge=TEXT, percent-encoded
    keep                  no answer, until a question says release: then ALLOW for all that are kept
    exit                  stops the gateway, so that it finds the answers and the exit at once
    die                   exits
    NAME of NONSENSE      what no auth child may say
    (nothing of these)    ALLOW with no pairs

With once=FILE all this only if FILE does not exist yet, which it creates; else ALLOW."""

import base64
import json
import os
import signal
import sys
from urllib.parse import parse_qs

import python_child as protocol
from python_child import HEADER, write_pairs

AUTH, ALLOW, DENY = 5, 75, 76

NONSENSE = {
    "foreign-key": (ALLOW, write_pairs(REMOTE_ADDR="192.0.2.1")),
    "too-much": (ALLOW, write_pairs(AUTH_X="x" * 4096)),
    "no-pairs": (ALLOW, b"no pair"),
    "deny-200": (DENY, write_pairs(STATUS=200)),
    "two-lines": (DENY, write_pairs(STATUS=401, CHALLENGE="a\r\nSet-Cookie: b=c")),
    "taken": (protocol.TAKEN, b""),
    "refused": (protocol.REFUSED, b""),
    "closed": (protocol.CLOSED, bytes(48)),
}


class Child(protocol.Child):
    kept = []

    def handle_message(self, kind, ident, pairs, sockets, flags):
        if kind == protocol.HELLO and pairs.get("KIND") != b"auth":
            sys.exit("the pool is not of kind auth")
        if kind != AUTH:
            super().handle_message(kind, ident, pairs, sockets, flags)
            return
        text = {key: value.decode("latin-1") for key, value in pairs.items()}
        query = {key: values[0] for key, values in
                 parse_qs(text["QUERY_STRING"], keep_blank_values=True).items()}
        if "once" in query and not self.is_first(query["once"]):
            self.send(ALLOW, ident)
        else:
            self.answer(ident, query, dict(text, SOCKETS=len(sockets)))

    @staticmethod
    def is_first(path):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def answer(self, ident, query, told):
        for name in NONSENSE.keys() & query.keys():
            kind, payload = NONSENSE[name]
            self.channel.send(HEADER.pack(1, kind, 0, len(payload), ident) + payload)
        if "user" in query:
            seen = base64.b64encode(json.dumps(told).encode()).decode()
            self.send(ALLOW, ident, write_pairs(REMOTE_USER=query["user"], AUTH_TYPE="test",
                                                AUTH_SEEN=seen))
        elif "size" in query:
            self.send(ALLOW, ident, write_pairs(AUTH_X="x" * (int(query["size"]) - 8)))
        elif "deny" in query:
            texts = {key.upper(): query[key] for key in ("reason", "challenge") if key in query}
            self.send(DENY, ident, write_pairs(STATUS=query["deny"], **texts))
        elif "keep" in query:
            self.kept.append(ident)
            self.send(protocol.LOG, payload=write_pairs(TEXT="kept"))
        elif "die" in query:
            os._exit(1)
        else:
            if "exit" in query:
                os.kill(os.getppid(), signal.SIGSTOP)
            for kept in self.kept if "release" in query else []:
                self.send(ALLOW, kept)
            self.send(ALLOW, ident)
            if "exit" in query:
                os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    Child(int(os.environ.pop("BATON_FD"))).run()
    sys.exit(0)
