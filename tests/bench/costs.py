# SPDX-License-Identifier: MIT
"""CPU a connection, a message and a delivery, system calls, and that nothing is lost."""

from contextlib import ExitStack
from statistics import median

import generator
import processes
import servers
from subscribers import MESSAGE_BYTES, Subscribers

WARM_UP_SECS = 6  # Node compiles while it runs; it is measured warm
LOSSLESS_COUNT, LOSSLESS_FULL = 50_000, 1_000_000
EARLY_COUNT, EARLY_FULL = 5_000, 100_000
STRACE_COUNT = 5_000
SLICES, SLICES_FULL = 3, 9  # of a round: turns so short that a bad moment falls on all servers
TURN_SECS, TURNS, TURNS_FULL = 0.1, 10, 30  # of a round, likewise, on connections that stay
SUBSCRIBERS = 1_000  # so few that the Python client keeps up


def _measure(server, run, unit):
    """What run() gave, with CPU us of the whole tree for one unit ("ok" connections,
    "messages_ok", "deliveries"), and the parent's share of a core."""
    before = server.cpu()
    result = run()
    after = server.cpu()
    spent = {pid: (after[pid] - before.get(pid, 0)) / 1000 for pid in after}
    if result[unit] == 0:
        raise RuntimeError(f"{server.name}: nothing ended well: {result}")
    result["cpu_us_each"] = sum(spent.values()) / result[unit]
    result["parent_share"] = spent[server.pid] / 1e6 / result["seconds"]
    return result


def _rounds(runs, count, unit):
    """{name: [result, ...]}: the servers in turn, to and fro. runs: [(server, function), ...]"""
    results = {server.name: [] for server, _ in runs}
    for _ in range(count):
        for server, run in runs:
            results[server.name].append(_measure(server, run, unit))
        runs = runs[::-1]
    return results


def _each(results):
    return {name: [run["cpu_us_each"] for run in runs] for name, runs in results.items()}


def _add_failures(report, figure, results):
    """One row for baton; another for a peer only where it failed, since that spoils its figure."""
    for name, runs in results.items():
        bad = sum(map(generator.failures, runs))
        if name == "baton":
            report.add_at_most(figure, "failed connections or messages", bad, 0)
        elif bad:
            worst = max(runs, key=generator.failures)
            report.add(figure, f"{name}: {bad} failed ({generator.describe(worst)})")


def _warm_up(server, mode):
    generator.run(mode, server, seconds=WARM_UP_SECS, connections=50)


def upgrade(options, report):
    wanted = [] if options.no_baton else [servers.baton(2)]
    wanted += [servers.floor(2)]
    wanted += [servers.node_fork(2)] if servers.node_modules() else []
    with ExitStack() as stack:
        running = [stack.enter_context(server) for server in wanted]
        for server in running:
            if server.name.startswith("node"):
                _warm_up(server, "upgrade")
        load = {"seconds": options.seconds / SLICES}
        results = _rounds(
            [(server, lambda s=server: generator.run("upgrade", s, **load)) for server in running],
            options.rounds * (SLICES_FULL if options.full else SLICES), "ok")
    report.keep("upgrade", results)
    what = "CPU us a connection, two children"
    report.add_ratio("upgrade", what, _each(results), "baton", "floor", 1.35)
    report.add_ratio("upgrade", what, _each(results), "baton", "node fork", 0.2)
    _add_failures(report, "upgrade", results)


def syscalls(options, report):
    if not processes.Strace.available():
        report.add("syscalls", "not measured: no strace")
        return
    for server in [servers.floor(2)] + ([] if options.no_baton else [servers.baton(2)]):
        with server:
            generator.run("upgrade", server, count=500)
            with processes.Strace(server.tree(), server.directory / "strace") as strace:
                result = generator.run("upgrade", server, count=STRACE_COUNT)
            calls = strace.calls()
        total = sum(calls.values()) / result["ok"]
        report.keep("syscalls",
                    {"server": server.name, "calls": calls, "connections": result["ok"]})
        if server.name == "floor":
            beside = total
            if options.no_baton:
                report.add("syscalls", "system calls a connection", beside=total,
                           beside_name="floor")
        else:
            report.add("syscalls", "system calls a connection", total, beside, total / beside,
                       "<= 20 calls", total <= 20, "floor")


def _whole(options, report, figure, what, mode, count, **load):
    """A long run against baton (or, with --no-baton, the floor) in which all must end well."""
    server = servers.floor(2) if options.no_baton else servers.baton(2)
    with server:
        result = generator.run(mode, server, count=count, **load)
    report.keep(figure, result)
    bad = generator.failures(result)
    why = f" ({generator.describe(result)})" if bad else ""
    report.add(figure, f"failed of {result['started']:,} {what}{why}", bad, limit="<= 0",
               ok=bad == 0 and result["started"] == count)


def lossless(options, report):
    count = LOSSLESS_FULL if options.full else LOSSLESS_COUNT
    _whole(options, report, "lossless", "connections", "upgrade", count,
           deadline=900 if options.full else 120)


def early(options, report):
    count = EARLY_FULL if options.full else EARLY_COUNT
    _whole(options, report, "early", "upgrades with early frames", "early", count,
           connections=32, deadline=900 if options.full else 120)


def _echo_round(running, options, **load):
    """({name: [turn, ...]}, {name: what its generator counted in all}), on new connections."""
    with ExitStack() as stack:
        sessions = [(server, stack.enter_context(generator.Turns(
            "raw" if server.name == "raw" else "echo", server, seconds=TURN_SECS,
            connections=50, **load))) for server in running]
        results = _rounds([(server, turns.run) for server, turns in sessions],
                          TURNS_FULL if options.full else TURNS, "messages_ok")
        return results, {server.name: turns.finish() for server, turns in sessions}


def echo(options, report):
    shapes = (("64 B, 1 in flight", 64, 1, 1.15, 0.95), ("64 B, 16 in flight", 64, 16, 1.5, 0.8),
              ("16 KiB, 1 in flight", 16384, 1, 1.3, 0.7))
    wanted = [] if options.no_baton else [servers.baton(1)]
    wanted += [servers.raw(), servers.floor(1)]
    wanted += [servers.lws()] if servers.have_lws() else []
    wanted += [servers.node_ws()] if servers.node_modules() else []
    everything, shares = {}, []
    with ExitStack() as stack:
        running = [stack.enter_context(server) for server in wanted]
        for server in running:
            if server.name.startswith("node"):
                _warm_up(server, "echo")
        for label, size, inflight, limit, limit_lws in shapes:
            results = {server.name: [] for server in running}
            for _ in range(options.rounds):
                turns, whole = _echo_round(running, options, bytes=size, inflight=inflight)
                for name in results:
                    results[name] += turns[name]
                    everything.setdefault(name, []).append(whole[name])
            report.keep("echo", {label: results})
            what = f"CPU us a message, {label}"
            report.add_ratio("echo", what, _each(results), "baton", "raw", limit)
            report.add_ratio("echo", what, _each(results), "baton", "floor", None)
            report.add_ratio("echo", what, _each(results), "baton", "lws", limit_lws)
            report.add_ratio("echo", what, _each(results), "baton", "node ws", 0.5)
            shares += [run["parent_share"] for run in results.get("baton", [])]
    _add_failures(report, "echo", everything)
    if shares:
        report.add_at_most("echo", "parent's CPU, % of a core", 100 * median(shares), 1.0, " %")


def broadcast(options, report):
    # The clients answer no pings.
    wanted = [] if options.no_baton else [
        servers.baton(1, "baton-broadcast", pool='keepalive = "1h"')]
    wanted += [servers.floor(1, "--publish")]
    wanted += [servers.lws("--publish")] if servers.have_lws() else []
    wanted += [servers.node_ws("--publish")] if servers.node_modules() else []
    with ExitStack() as stack:
        running = [stack.enter_context(server) for server in wanted]
        stack.enter_context(processes.pinned(generator.LOAD_CPU))
        crowds = [(server, stack.enter_context(Subscribers(server, SUBSCRIBERS)))
                  for server in running]
        for server, crowd in crowds:
            if server.name.startswith("node"):
                crowd.run(WARM_UP_SECS)
        results = _rounds(
            [(server, lambda s=crowd: s.run(TURN_SECS)) for server, crowd in crowds],
            options.rounds * (TURNS_FULL if options.full else TURNS), "deliveries")
    report.keep("broadcast", results)
    what = f"CPU us a delivery of {MESSAGE_BYTES} B to {SUBSCRIBERS:,} subscribers"
    for peer in ("floor", "lws", "node ws"):
        report.add_ratio("broadcast", what, _each(results), "baton", peer, None)
