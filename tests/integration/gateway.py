# SPDX-License-Identifier: MIT
"""The real gateway, started for one test.

Writes a configuration into a directory of its own, starts `baton serve`, learns the addresses
from its log, waits for its ready line, reads its log in a thread, and at the end looks whether
anything of its process tree is left. Waits for messages and for process ends, never for time.
"""

import contextlib
import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BIN_DIR = Path(os.environ.get("BATON_BIN_DIR", REPOSITORY / "build" / "bin")).resolve()
BATON = BIN_DIR / "baton"
TIMEOUT_SECS = 20  # far above what anything takes, also under sanitizers on a loaded machine
LOG_LINES_SHOWN = 200

ECHO = """
pool "echo"   { command = {"baton-echo"}  children = 2 }
route "/echo" { pool = "echo" }
"""

SANITIZER_COMPLAINTS = re.compile(
    r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:"
)


def environment(**more):
    """What the gateway and its commands run with: our programs first in PATH."""
    env = dict(os.environ, PATH=f"{BIN_DIR}:{os.environ['PATH']}")
    env.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
    env.update(more)
    return env


def run_baton(*args, env=None, timeout=TIMEOUT_SECS):
    """Runs a baton command to its end; gives CompletedProcess with text."""
    return subprocess.run(
        [str(BATON), *map(str, args)], env=env or environment(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=timeout, check=False,
    )


def parse_line(line):
    """A key=value log line as a dict; None when it is none (a sanitizer's report, say)."""
    try:
        words = shlex.split(line, posix=True)
    except ValueError:
        return None
    pairs = dict(word.split("=", 1) for word in words if "=" in word)
    return pairs if "event" in pairs else None


def process_info(pid):
    """(ppid, session, state, start time) of a process, or None when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return int(fields[1]), int(fields[3]), fields[0], int(fields[19])


def all_processes():
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (info := process_info(int(name))) is not None:
            found[int(name)] = info
    return found


def descendants(root):
    """Living processes below root, root excluded, as {(pid, start time)}."""
    processes = all_processes()
    family, grew = {root}, True
    while grew:
        more = {pid for pid, info in processes.items() if info[0] in family} - family
        family |= more
        grew = bool(more)
    return {(pid, processes[pid][3]) for pid in family - {root} if processes[pid][2] != "Z"}


def wait_gone(pid, start_time, deadline):
    """True when that very process has ended by the deadline."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        info = process_info(pid)
        if info is None or info[3] != start_time:
            return True
        remaining_ms = max(0, int((deadline - time.monotonic()) * 1000))
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(remaining_ms))
    finally:
        os.close(fd)


class Gateway:
    """`with Gateway(config) as gateway:`; config without control and listen, which are ours.
    prefix: a command that runs the gateway in its own place (prlimit, setpriv)."""

    running = []  # those that were not stopped yet; conftest ends them when a test fails
    ended = []    # those of the current test that were; conftest shows their logs when it fails

    def __init__(self, config=ECHO, listen=("127.0.0.1:0",), listen_options='health = "/healthz"',
                 args=None, env=None, wait_ready=True, prefix=()):
        self.directory = Path(tempfile.mkdtemp(prefix="baton-"))
        self.control = self.directory / "control.sock"
        self.lines = []
        self.addresses = []
        self.exit_status = None
        self._changed = threading.Condition()
        self._log_ended = False
        if args is None:
            args = ["serve", "-c", self._write_config(config, listen, listen_options)]
        else:
            args = [str(arg).replace("@DIR@", str(self.directory)) for arg in args]
        # A session of its own: the gateway's signals never reach pytest, and its tree is found.
        self.process = subprocess.Popen(
            [*prefix, str(BATON), *args], env=env or environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        )
        self.pid = self.process.pid
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        Gateway.running.append(self)
        if wait_ready:
            try:
                self.wait_event("ready")
            except BaseException:
                self.abandon()
                raise
        self.addresses = [e["address"] for e in self.events("listening")]

    def _write_config(self, config, listen, listen_options):
        head = [f'control = "{self.control}"']
        head += [f'listen "{address}" {{ {listen_options} }}' for address in listen]
        path = self.directory / "baton.conf"
        text = "\n".join(head) + "\n" + config
        path.write_text(text.replace("@DIR@", str(self.directory)), encoding="utf-8")
        return str(path)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            self.stop()
        else:
            self.abandon()

    # -- the log ---------------------------------------------------------------------------

    def _read_piece(self):
        return self.process.stderr.read1(1 << 16)

    def _read_log(self):
        """What the gateway wrote in one go is seen in one go."""
        rest = b""
        while piece := self._read_piece():
            *lines, rest = (rest + piece).split(b"\n")
            with self._changed:
                self.lines += [line.decode("utf-8", "replace") for line in lines]
                self._changed.notify_all()
        with self._changed:
            self.lines += [rest.decode("utf-8", "replace")] if rest else []
            self._log_ended = True
            self._changed.notify_all()

    def _wait(self, look, what, timeout):
        deadline = time.monotonic() + timeout
        with self._changed:
            while (found := look()) is None:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or self._log_ended:
                    why = "the log ended" if self._log_ended else f"{timeout} s passed"
                    raise AssertionError(f"no {what} in the log: {why}\n{self.log()}")
                self._changed.wait(remaining)
            return found

    def wait_log(self, pattern, timeout=TIMEOUT_SECS, since=0):
        """The match of the first line from number since on; waits for it."""
        regex = re.compile(pattern)
        return self._wait(
            lambda: next(filter(None, map(regex.search, self.lines[since:])), None),
            f"line like {pattern!r}", timeout)

    def events(self, event, since=0, **wanted):
        """All lines event=... so far whose other keys are as wanted, as dicts."""
        wanted = {key: str(value) for key, value in wanted.items()}
        parsed = filter(None, map(parse_line, self.lines[since:]))
        return [e for e in parsed
                if e["event"] == event and all(e.get(k) == v for k, v in wanted.items())]

    def wait_event(self, event, timeout=TIMEOUT_SECS, since=0, **wanted):
        """The first such event, as a dict; waits for it."""
        return self._wait(lambda: next(iter(self.events(event, since, **wanted)), None),
                          f"event={event} {wanted or ''}", timeout)

    def wait_events(self, event, count, timeout=TIMEOUT_SECS, since=0, **wanted):
        """At least count such events; waits for them."""
        def look():
            found = self.events(event, since, **wanted)
            return found if len(found) >= count else None
        return self._wait(look, f"{count} times event={event} {wanted or ''}", timeout)

    def mark(self):
        """A number for since=: only what is logged from now on."""
        return len(self.lines)

    def log(self):
        """The end of the log, for messages."""
        return "\n".join(f"  | {line}" for line in self.lines[-LOG_LINES_SHOWN:])

    # -- where and how -----------------------------------------------------------------------

    def address(self, index=0):
        """A listener as raw.Connection wants it: (host, port), or a Unix socket's path."""
        text = self.addresses[index]
        if text.startswith("unix:"):
            return text[len("unix:"):]
        host, _, port = text.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def port(self):
        return self.address()[1]

    def url(self, path="/echo", scheme="ws", index=0):
        return f"{scheme}://{self.addresses[index]}{path}"

    def command(self, name, *args):
        """`baton NAME --control PATH args`, run to its end."""
        return run_baton(name, "--control", self.control, *args)

    def status(self):
        result = self.command("status", "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def children(self, pool="echo"):
        """The status' children of a pool."""
        return next(p for p in self.status()["pools"] if p["name"] == pool)["children"]

    # -- the end -----------------------------------------------------------------------------

    def stop(self, signum=signal.SIGTERM, timeout=TIMEOUT_SECS):
        """Ends it and checks how: exit status 0 (unless killed), no complaint, nobody left."""
        try:
            family = descendants(self.pid)
            if self.process.poll() is None:
                self.process.send_signal(signum)
            deadline = time.monotonic() + timeout
            self.exit_status = self.process.wait(timeout)
            left = [pid for pid, start in family if not wait_gone(pid, start, deadline)]
            left += self._adopted(deadline)
            self._reader.join(max(0.1, deadline - time.monotonic()))
            assert not left, f"processes of the gateway are left: {left}\n{self.log()}"
            complaints = [line for line in self.lines if SANITIZER_COMPLAINTS.search(line)]
            assert not complaints, f"a sanitizer complained\n{self.log()}"
            expected = -signal.SIGKILL if signum == signal.SIGKILL else 0
            assert self.exit_status == expected, f"exit {self.exit_status}\n{self.log()}"
        finally:
            self.abandon()

    def _strays(self):
        """{pid: start time} of what the ended gateway left: its session, and orphans that pytest,
        a subreaper, has inherited (whatever a test starts itself shares pytest's session)."""
        siblings = {gateway.pid for gateway in Gateway.running if gateway is not self}
        return {pid: start for pid, (ppid, session, _, start) in all_processes().items()
                if pid not in siblings and (
                    session == self.pid or (ppid == os.getpid() and session != os.getsid(0)))}

    def _adopted(self, deadline):
        """Those strays that do not end by the deadline; those that do are reaped."""
        left = []
        for pid, start in self._strays().items():
            if not wait_gone(pid, start, deadline):
                left.append(pid)
            elif (info := process_info(pid)) is not None and info[0] == os.getpid():
                os.waitpid(pid, os.WNOHANG)
        return left

    def abandon(self):
        """Ends whatever is left, by pid, and removes the directory. Checks nothing."""
        if self not in Gateway.running:
            return
        Gateway.running.remove(self)
        Gateway.ended.append(self)
        family = dict(descendants(self.pid))
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid, start in {**family, **self._strays()}.items():
            if (info := process_info(pid)) is not None and info[3] == start:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)
