# SPDX-License-Identifier: MIT
"""Newcomers while a child is blocked, killed or stopped.

The servers are not bound to one CPU here: a child that burns it would take it from the rest, and
the figures are about baton, not about the scheduler.
"""

import os
import random
import re
import signal
import time

import generator
import processes
import servers

BLOCKED_MS = 5_000
RATE, SECONDS = 200, 8
STORM_RATE = 500
STORM_CHILDREN = 4
STORM_SECS, STORM_FULL_SECS = 8, 38  # the deal of a load process: at most 19,000 connections
KILLS, KILLS_FULL = 50, 1_000
PAUSES, PAUSES_FULL = 50, 1_000
PAUSE_SECS = 0.05
PATIENCE_SECS = 900
DIED_LINE = re.compile(r"event=close .*client=(\S+) .*by=child-death")


def _unpinned_baton(children, **more):
    server = servers.baton(children, **more)
    server.pinned = False
    return server


def blocked(options, report):
    if options.no_baton:
        return
    if not (servers.BIN_DIR / options.fault_child).exists():
        report.add("blocked", f"not measured: no {options.fault_child}")
        return
    with _unpinned_baton(2, command=options.fault_child) as server:
        generator.run("upgrade", server, count=200, connections=8)
        load = generator.start("paced", server, rate=RATE, seconds=SECONDS, timeout=10)
        time.sleep(1)
        with servers.send_text(server.port, f"block {BLOCKED_MS}"):
            result = generator.finish(load)
    report.keep("blocked", result)
    bad = generator.failures(result)
    why = f" ({generator.describe(result)})" if bad else ""
    report.add("blocked", f"failed of {result['started']:,} newcomers{why}", bad, limit="<= 0",
               ok=bad == 0)
    report.add_at_most("blocked", "101 after ms, p99", result["upgrade"]["p99_ms"], 20, " ms")
    report.add_at_most("blocked", "101 after ms, worst", result["upgrade"]["max_ms"], 100, " ms")
    report.add_at_most("blocked", "newcomers that waited > 40 ms", result["slow_40ms"], 5)
    report.add("blocked", "newcomers that waited > 10 ms", result["slow_10ms"])


def _not_taken(server, runs):
    """How many of the clients without any answer the log does not name as taken by a child that
    was killed then: what happens between TAKEN and the 101 is that child's."""
    with open(server.directory / "log", encoding="utf-8", errors="replace") as log:
        died = {match[1] for match in map(DIED_LINE.search, log) if match}
    taken = sum(client in died for run in runs for client in run["unanswered"])
    return sum(map(generator.unanswered, runs)) - taken


def _kill(server):
    """Kills one child once all are there; False: they are not."""
    children = server.children()
    if len(children) < STORM_CHILDREN:
        return False
    os.kill(random.choice(children), signal.SIGKILL)
    return True


def _pause(server):
    children = server.children()
    if not children:
        return False
    pid = random.choice(children)
    try:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(PAUSE_SECS)
    finally:
        os.kill(pid, signal.SIGCONT)
    return True


def _storm(server, act, wanted, seconds):
    """Loads at STORM_RATE while act is done again and again: (runs, how often it was done)."""
    runs, done = [], 0
    end = time.monotonic() + PATIENCE_SECS
    while done < wanted and time.monotonic() < end:
        load = generator.start("paced", server, rate=STORM_RATE, seconds=seconds, timeout=10)
        while load.poll() is None and done < wanted:
            done += act(server)
            time.sleep(0.02)
        runs.append(generator.finish(load))
    return runs, done


def _sum(runs, key):
    return sum(run[key] for run in runs)


def _storm_figure(options, report, figure, act, wanted):
    """Runs, the times they were disturbed; rows that both storms share."""
    seconds = STORM_FULL_SECS if options.full else STORM_SECS
    with _unpinned_baton(STORM_CHILDREN) as server:
        generator.run("upgrade", server, count=200, connections=8)
        server.cpu()
        fds = processes.fd_count(server.pid)
        runs, done = _storm(server, act, wanted, seconds)
        end = time.monotonic() + 5
        while time.monotonic() < end and processes.fd_count(server.pid) != fds:
            time.sleep(0.05)
        leaked = processes.fd_count(server.pid) - fds
        not_taken = _not_taken(server, runs)
    report.keep(figure, {"done": done, "runs": runs})
    report.add(figure, f"times, under {STORM_RATE} upgrades a second", done, limit=f">= {wanted}",
               ok=done >= wanted)
    report.add_at_most(figure, "worst 101 after ms", max(r["upgrade"]["max_ms"] for r in runs),
                       2000, " ms")
    report.add_at_most(figure, "no answer in time", _sum(runs, "timeout"), 0)
    unanswered = sum(map(generator.unanswered, runs))
    report.add(figure, "no answer: their child died with them", unanswered - not_taken)
    report.add_at_most(figure, "no answer, and not taken by a child that died", not_taken, 0)
    report.add_at_most(figure, "wrong or doubled bytes", _sum(runs, "wrong"), 0)
    others = sum(count for run in runs for status, count in run["refused"].items()
                 if status != "503")
    report.add_at_most(figure, "refusals other than 503", others, 0)
    report.add_at_most(figure, "descriptors left in the parent", leaked, 0)
    return runs


def kill(options, report):
    if options.no_baton:
        return
    runs = _storm_figure(options, report, "kill", _kill, KILLS_FULL if options.full else KILLS)
    report.add("kill", "newcomers that got 503",
               sum(run["refused"].get("503", 0) for run in runs))
    report.add("kill", "connections that ended with their child",
               _sum(runs, "reset") + _sum(runs, "eof"))


def pause(options, report):
    if options.no_baton:
        return
    runs = _storm_figure(options, report, "pause", _pause, PAUSES_FULL if options.full else PAUSES)
    report.add_at_most("pause", "failed newcomers", sum(map(generator.failures, runs)), 0)
