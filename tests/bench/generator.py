# SPDX-License-Identifier: MIT
"""Runs the load generator, on its own CPU, and gives what it printed as a dict."""

import json
import subprocess

import processes
from servers import BIN_DIR

LOAD_CPU = 1
DEADLINE_SECS = 60


def _argv(mode, server, options):
    options.setdefault("deadline", DEADLINE_SECS)
    argv = [str(BIN_DIR / "baton-load"), mode, f"127.0.0.1:{server.port}"]
    for name, value in options.items():
        if value is not False:
            argv.append("--" + name.replace("_", "-"))
        if not isinstance(value, bool):
            argv.append(str(value))
    return argv


def failures(result):
    """How many connections and messages of a run did not end well."""
    bad = result["started"] - result["ok"]
    return bad + result["messages_sent"] - result["messages_ok"]


def unanswered(result):
    """How many connections got neither a 101 nor another status."""
    return result["started"] - result["upgrade"]["count"] - sum(result["refused"].values())


def describe(result):
    """The outcomes of a run that went wrong, for people."""
    kinds = ("reset", "eof", "wrong", "timeout", "unreachable")
    parts = [f"{result[kind]} {kind}" for kind in kinds if result[kind]]
    parts += [f"{count} got {status}" for status, count in result["refused"].items()]
    if result["first_wrong"]:
        parts.append(result["first_wrong"])
    return ", ".join(parts) or "messages lost"


def start(mode, server, **options):
    argv = _argv(mode, server, options)
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            preexec_fn=lambda: processes.pin_self(LOAD_CPU))


def finish(process, timeout=DEADLINE_SECS + 20):
    output, _ = process.communicate(timeout=timeout)
    return json.loads(output)


def run(mode, server, **options):
    deadline = options.get("deadline", DEADLINE_SECS)
    return finish(start(mode, server, **options), deadline + 20)


class _Session:
    """A generator that takes commands on stdin and answers each with a line."""

    def __init__(self, mode, server, **options):
        self.argv = _argv(mode, server, options)
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(
            self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            preexec_fn=lambda: processes.pin_self(LOAD_CPU))
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Its last words, or b"" when it has been ended before."""
        if self.process.stdin.closed:
            return b""
        self.process.stdin.close()
        words = self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait(60)
        return words

    def ask(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def answer(self):
        return json.loads(self.process.stdout.readline())


class Turns(_Session):
    """`with Turns("echo", server, seconds=0.1) as turns:` lets traffic run in turns, always on the
    same connections, which are open from the first turn's begin to the end."""

    def __init__(self, mode, server, deadline=900, **options):
        super().__init__(mode, server, turns=True, deadline=deadline, **options)
        self.count = 0

    def __enter__(self):
        super().__enter__()
        self.answer()
        return self

    def run(self):
        """{"messages_ok": in this turn, "seconds": ...}"""
        self.ask("go")
        result = self.answer()
        before, self.count = self.count, result["messages_ok"]
        result["messages_ok"] -= before
        return result

    def finish(self):
        """As finish() above, of all turns."""
        return json.loads(self.end())


class Holder(_Session):
    """`with Holder(server, 15000) as holder:` holds idle connections; see load/idle.c."""

    def __init__(self, server, count, room=0, deadline=300):
        super().__init__("idle", server, connections=count + room, count=count, deadline=deadline)
        self.count = count

    def __enter__(self):
        super().__enter__()
        opened = self.answer()
        if opened["open"] != self.count:
            self.end()
            raise RuntimeError(f"of {self.count} idle connections {opened['open']} opened")
        return self
