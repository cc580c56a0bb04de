#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The bench: what baton costs, beside the least that is possible and beside Node.

Run by `./dev bench`, which builds everything and puts ws into NODE_PATH. All on loopback. Servers
are bound to CPU 0 and the load generator to CPU 1, so what is compared is not rates (the generator
is often the limit) but CPU time: user and system of the server's whole process tree, in
nanoseconds from /proc/PID/schedstat. Only blocked, kill and pause, which are about waiting, use
all CPUs. Machines drift, by up to 1.6x from hour to hour; therefore the servers of a figure run in
turn, in short turns to and fro, a ratio is taken within each round, and the median is shown.
Absolute numbers of two runs say little; ratios of one run do.

The load generator (load.c) checks every 101 and every byte. Any connection or message that does
not end well makes a figure MISSED, whatever its time.

Servers: baton with baton-echo; floor (floor.c: accept, SCM_RIGHTS, handshake, echo, close and
nothing else); raw (raw.c: echo without WebSocket); lws (lws_echo.c: libwebsockets' own server, its
ws role on libev, tuned); node fork (node/fork.js: an http server that passes the sockets of
upgrades to two forked children with ws); node ws (node/ws.js, one process).

Figures:
  upgrade   connect, upgrade, one 64-byte echo, Close both ways, end of file; 64 at a time, two
            children. CPU a connection: at most 1.35 of the floor's, at most a fifth of node fork's.
  syscalls  system calls of parent and children for such a connection, all of them, under load
            (strace -c -f): at most 20.
  lossless  many such connections, 64 at a time: all end well. 1,000,000 with --full.
  echo      50 connections that stay, one child, turns of 0.1 s: 64 bytes one in flight (CPU a
            message at most 1.15 of raw's), 64 bytes sixteen in flight (1.5), 16 KiB one in flight
            (1.3); of lws' at most 0.95, 0.8 and 0.7; each at most half of node ws. And the parent's
            CPU during it: at most 1 % of a core.
  idle      30,000 idle connections on two children: memory that grew a connection, in the parent
            (at most 96 bytes) and in the children (256), the larger of private and resident. Both
            together beside lws and node ws, without a limit: one process each, which could not hold
            as many, so 10,000.
  cycle     CPU of one more such connection as in upgrade, at 100 and at 15,000 idle connections in
            each of two children, two servers in turn: within 10 %. And CPU in the children of
            closing 1,000 while the parent is stopped for a second: within 10 % of how the floor's
            own cost grows, since the kernel's part of a close is dearer among many sockets.
  blocked   200 newcomers a second for 8 s, two children; after one second one child is blocked for
            5 s by a message. Time to the 101 from the planned moment: p99 under 20 ms, worst under
            100 ms, none fails, at most 5 wait for more than 40 ms.
  kill      500 upgrades a second while children are killed (50 times; 1,000 with --full): the worst
            101 under 2 s, nothing but 101, 503 and the ends of killed connections, no stray byte,
            no descriptor left. A client whose child dies between TAKEN and the 101 gets no answer;
            that it was taken the log must say.
  pause     the same while children are stopped and continued (stops shorter than the heartbeat's
            limit): none fails.
  slow      10,000 clients from 40 addresses that have sent half a head and add a byte every 2 s, and
            200 clean upgrades a second beside them: memory of the parent for each half head (at
            most 1,024 bytes; the kernel's own for the sockets is not in it), and the clean 101's
            p99 (50 ms). None fails; heads that end at last are served.
  early     upgrades with up to 64 KiB of frames right behind the head, cut at random: every byte
            comes back once, in order. 100,000 with --full.
  head      parsing, judging and routing of a browser's head among 20 routes: at most 2,000 ns.
  publish   64 bytes published to 10,000 subscribers (9,900 where 20,000 descriptors are allowed):
            CPU a delivery at most 1.2 of a bare loop of send() over the same sockets; one more
            that never reads changes it by less than 5 %.
  broadcast 1,000 connections of one child; 64 bytes from one of them go to all, the next when all
            have them; turns of 0.1 s. CPU a delivery beside floor (a bare loop of send()), lws and
            node ws, without a limit.
  deflate   512 bytes of JSON packed and unpacked by the library: CPU at most 1.3 of zlib's own on
            the same bytes, with its default window and with the small one that we take for them.
            The same through all of baton, sixteen in flight: 1.3 too, and beside lws and node ws,
            all three at level 6 without context takeover. And memory that grew in the child for
            each of 10,000 connections on which permessage-deflate was negotiated (at most 384
            bytes), and after each has echoed one packed message (512).

Exit status: 0 when no figure is missed, 1 when one is, 2 for wrong usage.
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

import alone  # noqa: E402
import costs  # noqa: E402
import faults  # noqa: E402
import holding  # noqa: E402
import servers  # noqa: E402
import slow  # noqa: E402
from report import Report  # noqa: E402

FIGURES = {
    "upgrade": costs.upgrade,
    "syscalls": costs.syscalls,
    "lossless": costs.lossless,
    "echo": costs.echo,
    "idle": holding.idle,
    "cycle": holding.cycle,
    "blocked": faults.blocked,
    "kill": faults.kill,
    "pause": faults.pause,
    "slow": slow.slow,
    "early": costs.early,
    "head": alone.head,
    "publish": alone.publish,
    "broadcast": costs.broadcast,
    "deflate": alone.deflate,
}


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=FIGURES, metavar="NAME",
                        help="only this figure; may be repeated: " + ", ".join(FIGURES))
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--seconds", type=float, default=1.5,
                        help="length of one run; upgrade cuts it into three turns, and takes nine "
                        "with --full (1.5)")
    parser.add_argument("--full", action="store_true",
                        help="the counts of the goals: a million upgrades, 1,000 kills, ...")
    parser.add_argument("--no-baton", action="store_true", help="only what baton is compared with")
    parser.add_argument("--fault-child", default="baton-fault", metavar="PROGRAM",
                        help='child that blocks for N ms on the message "block N" (baton-fault)')
    parser.add_argument("--json", type=Path, metavar="FILE",
                        default=servers.HERE.parents[1] / "build" / "bench.json")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be above 0")
    return options


def main():
    options = parse_options()
    if not options.no_baton and not servers.have_baton():
        sys.exit(f"bench: no baton and baton-echo in {servers.BIN_DIR}: ./dev build makes them")
    if servers.node_modules() is None:
        print("bench: no node with ws (NODE_PATH): its figures are left out", file=sys.stderr)
    if not servers.have_lws():
        print("bench: no baton-lws-bench that starts (libwebsockets-dev, libwebsockets-evlib-ev, "
              "libev-dev): its figures are left out", file=sys.stderr)
    report = Report()
    begin = time.monotonic()
    for name in options.only or FIGURES:
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        try:
            FIGURES[name](options, report)
        except Exception as error:  # one figure that cannot be taken must not hide the others
            report.add(name, "could not be measured: " + str(error).splitlines()[0], ok=False)
            print(f"bench: {name}: {error}", file=sys.stderr)
    print(report.table())
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "took_seconds": round(time.monotonic() - begin, 1),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "full": options.full,
        "figures": report.rows,
        "samples": report.samples,
    }, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if report.all_ok() else 1)


if __name__ == "__main__":
    main()
