# SPDX-License-Identifier: MIT
"""Publishing to many, permessage-deflate and the judgement of a head: mostly programs that need no
server.

Each such program measures both sides of its ratio itself, in turns; it runs once a round, and the
median of the rounds counts.
"""

import re
import resource
import subprocess
from statistics import median

import packed
import processes
from servers import BIN_DIR, SERVER_CPU

DEADLINE_SECS = 120
SUBSCRIBERS, SPARE_DESCRIPTORS = 10_000, 200
PUBLISH_TURNS = 11
DEFLATE_LINE = re.compile(
    r"level (?P<level>\d+): zlib alone (?P<zlib>\d+) ns .*small window (?P<small>\d+) ns .*"
    r"deflate\.c (?P<ours>\d+) ns .*ratio (?P<ratio>[\d.]+) and (?P<small_ratio>[\d.]+)")
PUBLISH_LINE = re.compile(
    r"(?P<what>.*?) +(?P<count>\d+) subscribers +send\(\) (?P<bare>\d+) ns +"
    r"publish (?P<ours>\d+) ns +ratio (?P<ratio>[\d.]+)")

HEAD_LINE = re.compile(r"(?P<what>head of .*): parse (?P<parse>\d+) ns, .* (?P<whole>\d+) ns")


def _is_built(report, figure, name):
    if (BIN_DIR / name).exists():
        return True
    report.add(figure, f"not measured: no {name}")
    return False


def _run(report, figure, rounds, pattern, *argv):
    """[[match, ...], ...]: the lines of each round. None: the program is not built."""
    if not _is_built(report, figure, argv[0]):
        return None
    program = BIN_DIR / argv[0]
    found = []
    for _ in range(rounds):
        output = subprocess.run(
            [str(program), *map(str, argv[1:])], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=DEADLINE_SECS, preexec_fn=lambda: processes.pin_self(SERVER_CPU))
        lines = [pattern.match(line) for line in output.stdout.splitlines()]
        if output.returncode != 0 or not lines or None in lines:
            raise RuntimeError(f"{program.name}: {output.stdout}{output.stderr}".strip())
        found.append(lines)
    report.keep(figure, [[line.groupdict() for line in lines] for lines in found])
    return found


def _median(lines, name):
    return median(float(line[name]) for line in lines)


def head(options, report):
    rounds = _run(report, "head", options.rounds, HEAD_LINE, "baton-head-bench")
    if rounds is not None:
        lines = [line for (line,) in rounds]
        report.add_at_most("head", f"{lines[0]['what']}: parsed, judged, routed",
                           _median(lines, "whole"), 2000, "ns")


def publish(options, report):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = SUBSCRIBERS
    if most != resource.RLIM_INFINITY:
        count = min(count, (most - SPARE_DESCRIPTORS) // 2)
    rounds = _run(report, "publish", options.rounds, PUBLISH_LINE, "baton-publish", count,
                  PUBLISH_TURNS)
    if rounds is None:
        return
    everyone, but_one = zip(*rounds)
    for lines, who in ((everyone, "all read"), (but_one, "one more never reads")):
        ratio = _median(lines, "ratio")
        report.add("publish", f"CPU ns a delivery of 64 B to {int(lines[0]['count']):,}, {who}",
                   _median(lines, "ours"), _median(lines, "bare"), ratio, "<= 1.2", ratio <= 1.2,
                   "send()")
    # As a ratio to send() in the same turns, so that the machine's drift falls out.
    change = median(float(one["ratio"]) / float(all_read["ratio"])
                    for all_read, one in zip(everyone, but_one))
    report.add("publish", "what the one that never reads changes", ratio=change, limit="<= 1.05",
               ok=change <= 1.05)


def deflate(options, report):
    """The library beside zlib, and by turns with that the whole of baton and its peers."""
    program = "baton-deflate-bench"
    if not _is_built(report, "deflate", program):
        return
    message = subprocess.run([str(BIN_DIR / program), "--message"], stdin=subprocess.DEVNULL,
                             capture_output=True, check=True).stdout
    rounds = []

    def zlib_ns():
        rounds.extend(_run(report, "deflate", 1, DEFLATE_LINE, program))
        return next(float(line["zlib"]) for line in rounds[-1]
                    if int(line["level"]) == packed.LEVEL)

    costs = packed.echo_ns(options, message, zlib_ns)
    for lines in zip(*rounds):
        what = f"CPU ns, 512 B of JSON packed and unpacked, level {lines[0]['level']}"
        for beside, ratio, name in (("zlib", "ratio", "zlib"),
                                    ("small", "small_ratio", "zlib, small window")):
            value = _median(lines, ratio)
            report.add("deflate", what, _median(lines, "ours"), _median(lines, beside), value,
                       "<= 1.3", value <= 1.3, name)
    _deflate_whole(report, message, costs)


def _deflate_whole(report, message, costs):
    report.keep("deflate", {"echo_ns and zlib": costs})
    for name in (name for name, rounds in costs.items() if not rounds):
        report.add("deflate", f"not measured: {name} does not take permessage-deflate",
                   ok=False if name == "baton" else None)
    what = f"CPU ns, the same echoed, {packed.IN_FLIGHT} in flight, all of baton"
    for peer, limit in (("zlib", 1.3), ("lws", None), ("node ws", None)):
        report.add_ratio("deflate", what, costs, "baton", peer, limit)
    if not costs.get("baton"):
        return
    count, negotiated, echoed = packed.held_bytes(message)
    report.add_at_most("deflate", f"child, bytes a connection, {count:,} idle, negotiated",
                       negotiated, packed.NEGOTIATED_BYTES, " B")
    report.add_at_most("deflate", f"child, bytes a connection, {count:,} that echoed one",
                       echoed, packed.ECHOED_BYTES, " B")
