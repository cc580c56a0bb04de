# SPDX-License-Identifier: MIT
"""What the kernel says of a process tree: its members, CPU time, memory, descriptors, system calls.

Reads /proc and starts strace; changes nothing in the processes but where they may run.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager

SETTLE_SECS = 2.0
SETTLE_STEP_SECS = 0.03


def pin_self(cpu):
    """For preexec_fn: binds the process to be to one CPU, where there are two."""
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {cpu})


@contextmanager
def pinned(cpu):
    """The bench itself on that CPU for a while, as pin_self; its threads and children with it."""
    before = os.sched_getaffinity(0)
    pin_self(cpu)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _parents():
    """pid -> ppid of everything that lives; the dead that nobody has waited for do not."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="latin-1") as stat:
                state, ppid = stat.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            found[int(name)] = int(ppid)
    return found


def tree(root):
    """root and everything below it, root first, children in order of their pids."""
    parents = _parents()
    members, level = [root], {root}
    while level:
        level = {pid for pid, ppid in parents.items() if ppid in level}
        members += sorted(level)
    return members


def cpu_ns(pid):
    """CPU time of a process so far, user and system, all threads; 0 when it is gone.

    From schedstat, which counts nanoseconds; the ticks in stat are 10 ms each.
    """
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as stat:
                total += int(stat.read().split()[0])
    except OSError:
        pass
    return total


def settled_cpu(pids):
    """{pid: cpu_ns} once the processes have come to rest (or SETTLE_SECS have passed)."""
    end = time.monotonic() + SETTLE_SECS
    before = {pid: cpu_ns(pid) for pid in pids}
    while True:
        time.sleep(SETTLE_STEP_SECS)
        now = {pid: cpu_ns(pid) for pid in pids}
        grown = sum(now.values()) - sum(before.values())
        if grown < 0.02 * SETTLE_STEP_SECS * 1e9 or time.monotonic() > end:
            return now
        before = now


def memory(pid):
    """{"Rss": bytes, "Pss": ..., "Private": ...} of a process."""
    values = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        for line in rollup:
            match = re.match(r"(\w+):\s+(\d+) kB", line)
            if match:
                values[match[1]] = int(match[2]) * 1024
    private = values["Private_Dirty"] + values["Private_Clean"]
    return {"Rss": values["Rss"], "Pss": values["Pss"], "Private": private}


def fd_count(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def stop_all(pids, grace_secs=5.0):
    """SIGKILL for those of our own processes that are still there after the grace."""
    end = time.monotonic() + grace_secs
    while time.monotonic() < end and any(os.path.exists(f"/proc/{pid}") for pid in pids):
        time.sleep(0.02)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Strace:
    """`with Strace(pids, file) as strace:` counts the system calls of running processes."""

    def __init__(self, pids, file):
        self.file = file
        self.pids = pids
        self.process = None

    @staticmethod
    def available():
        return shutil.which("strace") is not None

    def __enter__(self):
        argv = ["strace", "-c", "-f", "-o", self.file]
        for pid in self.pids:
            argv += ["-p", str(pid)]
        # On the servers' CPU: it would slow the load down on the other, and what is not under load
        # wakes up for each event alone.
        cpus = os.sched_getaffinity(self.pids[0])
        self.process = subprocess.Popen(argv, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        attached = 0
        while attached < len(self.pids):
            line = self.process.stderr.readline()
            if not line:
                raise RuntimeError("strace cannot attach")
            attached += b" attached" in line
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.stderr.close()
        self.process.wait(20)

    def calls(self):
        """{name: count} after the end."""
        counts = {}
        with open(self.file, encoding="ascii") as table:
            for line in table:
                words = line.split()
                if len(words) >= 5 and words[0].replace(".", "").isdigit() and words[-1] != "total":
                    counts[words[-1]] = int(words[3])
        return counts
