# SPDX-License-Identifier: MIT
"""What idle connections cost: memory for each, and the price of one more beside them."""

import os
import signal
import time
from contextlib import ExitStack
from statistics import median

import generator
import processes
import servers

IDLE_COUNT = 30_000  # on two children, from two load processes: 20,000 descriptors each at most
PEER_COUNT = 10_000  # on one process
FEW_COUNT = 200      # 100 in each child
PARENT_BYTES, CHILD_BYTES = 96, 256
CYCLE_COUNT = 4_000
CLOSE_COUNT = 1_000
STOPPED_SECS = 1.0
CYCLE_ROUNDS = 11
CYCLE_LIMIT = 1.10


def _grown(before, after, count):
    """Bytes a connection: the larger of private and resident growth."""
    return max(after[kind] - before[kind] for kind in ("Private", "Rss")) / count


def _memory_of(server, count=IDLE_COUNT):
    """Parent's and children's growth a connection, with so many connections held."""
    # A first connection to each child, so that what is set up once is not counted.
    generator.run("upgrade", server, count=100, connections=4)
    pids = server.tree()
    before = {pid: processes.memory(pid) for pid in pids}
    with generator.Holder(server, count // 2), generator.Holder(server, count // 2):
        server.cpu()
        after = {pid: processes.memory(pid) for pid in pids}
    parent = _grown(before[server.pid], after[server.pid], count)
    children = sum(_grown(before[pid], after[pid], count) for pid in pids[1:])
    return parent, children, {"before": before, "after": after}


def idle(options, report):
    with servers.floor(2) as server:
        floor_parent, floor_children, details = _memory_of(server)
    report.keep("idle", {"floor": details})
    parent = children = None
    if not options.no_baton:
        with servers.baton(2) as server:
            parent, children, details = _memory_of(server)
        report.keep("idle", {"baton": details})
    for what, value, beside, limit in (("parent", parent, floor_parent, PARENT_BYTES),
                                       ("children", children, floor_children, CHILD_BYTES)):
        report.add("idle", f"{what}, bytes a connection, {IDLE_COUNT:,} held", value, beside,
                   limit=f"<= {limit} B", ok=None if value is None else value <= limit,
                   beside_name="floor")
    whole = None if parent is None else parent + children
    peers = [servers.lws()] if servers.have_lws() else []
    peers += [servers.node_ws()] if servers.node_modules() else []
    for server in peers:
        with server:
            beside, _, details = _memory_of(server, PEER_COUNT)
        report.keep("idle", {server.name: details})
        report.add("idle", f"both, bytes a connection; {server.name}: {PEER_COUNT:,} held", whole,
                   beside, None if whole is None else whole / beside, beside_name=server.name)


class _Pair:
    """Two servers of one kind, one with few idle connections, one with many; and their costs."""

    def __init__(self, stack, make, stop_parent):
        self.stop_parent = stop_parent
        self.few = stack.enter_context(make(2))
        self.many = stack.enter_context(make(2))
        self.few_holder = stack.enter_context(
            generator.Holder(self.few, FEW_COUNT, room=CLOSE_COUNT))
        self.many_holder, _ = [
            stack.enter_context(generator.Holder(self.many, IDLE_COUNT // 2)) for _ in range(2)]
        self.opens = {"few": [], "many": []}
        self.closes = {"few": [], "many": []}

    def measure_cycle(self):
        self.opens["few"].append(_cycle_cost(self.few))
        self.opens["many"].append(_cycle_cost(self.many))

    def measure_close(self):
        self.closes["few"].append(_close_cost(self.few, self.few_holder, self.stop_parent))
        self.closes["many"].append(_close_cost(self.many, self.many_holder, self.stop_parent))


def _patient_baton(children):
    """The clients that are held answer no pings."""
    return servers.baton(children, pool='keepalive = "1h"')


def _cycle_cost(server):
    """CPU us of the tree for each of CYCLE_COUNT connections from connect to end of file."""
    before = server.cpu()
    result = generator.run("upgrade", server, count=CYCLE_COUNT)
    after = server.cpu()
    if generator.failures(result):
        raise RuntimeError(f"connections failed: {generator.describe(result)}")
    return sum(after[pid] - before[pid] for pid in after) / 1000 / CYCLE_COUNT


def _close_cost(server, holder, stop_parent):
    """CPU us in the children for each of CLOSE_COUNT held connections that closes."""
    children = server.children()
    before = processes.settled_cpu(children)
    try:
        if stop_parent:
            os.kill(server.pid, signal.SIGSTOP)
        holder.ask(f"close {CLOSE_COUNT}")
        if stop_parent:
            time.sleep(STOPPED_SECS)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    answer = holder.answer()
    after = processes.settled_cpu(children)
    if answer["failed"] or answer["lost"]:
        raise RuntimeError(f"held connections failed: {answer}")
    return sum(after[pid] - before[pid] for pid in children) / 1000 / CLOSE_COUNT


def _refill(holder):
    """The connections that the next close ends: as fresh in one server as in the other."""
    holder.ask(f"open {CLOSE_COUNT}")
    holder.answer()


def _ratio(samples):
    return median(many / few for few, many in zip(samples["few"], samples["many"]))


def cycle(options, report):
    with ExitStack() as stack:
        pairs = {"floor": _Pair(stack, servers.floor, False)}
        if not options.no_baton:
            pairs["baton"] = _Pair(stack, _patient_baton, True)
        for _ in range(max(CYCLE_ROUNDS, options.rounds)):
            for pair in pairs.values():
                pair.measure_cycle()
        for pair in pairs.values():
            pair.many_holder.ask(f"close {CLOSE_COUNT}")
            pair.many_holder.answer()
        for _ in range(max(CYCLE_ROUNDS, options.rounds)):
            for pair in pairs.values():
                _refill(pair.few_holder)
                _refill(pair.many_holder)
                pair.measure_close()
    # The kernel's part of a close is dearer among many sockets (cold caches): the floor tells it.
    kernel = _ratio(pairs["floor"].closes)
    for name, pair in pairs.items():
        report.keep("cycle", {name: {"cycle": pair.opens, "close": pair.closes}})
        for what, samples, limit in (
                ("CPU us of one more, 15,000 a child", pair.opens, CYCLE_LIMIT),
                ("CPU us of a close, parent stopped", pair.closes, CYCLE_LIMIT * kernel)):
            ratio = _ratio(samples)
            if name == "baton":
                report.add("cycle", what, median(samples["many"]), median(samples["few"]), ratio,
                           f"<= {limit:.2f}", ratio <= limit, "at 100")
            else:
                report.add("cycle", f"{what}: floor {median(samples['many']):.1f}",
                           beside=median(samples["few"]), ratio=ratio, beside_name="at 100")
