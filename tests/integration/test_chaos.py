# SPDX-License-Identifier: MIT
"""Children die and stand still under a steady stream of upgrades. BATON_CHAOS: how many kills, and
how many stops (40 unless set; 1000 take some minutes). BATON_CHAOS_SEED: another run of luck."""

import os
import random
import selectors
import signal
import time

import raw
import wsclient
from probes import (OPEN_LINE, Client, answers, children, pids, pool, status, wait_connections,
                    wait_ready, wait_until)

ROUNDS = int(os.environ.get("BATON_CHAOS", "40"))
SEED = int(os.environ.get("BATON_CHAOS_SEED", "1"))
UPGRADES_PER_SEC = 100
FAULT_EVERY_SECS = 0.05
ANSWER_SECS = 2.0
QUIET_CLIENTS = 20
STAY_SECS = 0.2     # at most; a child lives 0.4 s on average: most of its guests are served
MESSAGE = b"still the same connection"
ECHO = wsclient.frame_bytes(wsclient.TEXT, MESSAGE, mask=False)
CONFIG = (pool("baton-echo", children=4, name="wild", options=(
              'queue_timeout = "1500ms"  handover_timeout = "1500ms"  ping_timeout = "20s"'))
          + pool("baton-echo", children=2, name="calm"))


class Guest:
    """One client: upgrade, a while of silence, one message, and away."""

    def __init__(self, gateway, luck):
        self.connection = Client(gateway, "/wild")
        self.client = self.connection.client
        self.socket = self.connection.socket
        self.data = b""
        self.status = None
        self.began = time.monotonic()
        self.speaks_at = None          # None: it has no 101 yet, or has spoken
        self.stay_secs = luck.uniform(0, STAY_SECS)
        self.end = None                # "served", "refused", "eof", "reset"

    def is_late(self, now):
        return self.end is None and self.status is None and now - self.began > ANSWER_SECS

    def read(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            self.finish("reset")
            return
        self.data += data
        if self.status is None and b"\r\n\r\n" in self.data:
            response = raw.parse_response(self.data[:self.data.index(b"\r\n\r\n") + 4])
            self.status = response.status
            self.speaks_at = time.monotonic() + self.stay_secs
        if not data:
            self.finish("refused" if self.status == 503 else "eof")
        elif self.status == 101 and self.data.endswith(ECHO):
            self.finish("served")

    def speak(self):
        self.speaks_at = None
        if self.status == 101:
            try:
                self.socket.send(wsclient.frame_bytes(wsclient.TEXT, MESSAGE))
            except (BrokenPipeError, ConnectionResetError):
                self.finish("eof")

    def finish(self, end):
        self.end = end
        self.connection.close()

    def check(self, killers):
        """One answer, and an end without it only for who was taken by a child that was killed."""
        where = f"{self.client} {self.end} {self.status} {self.data[:300]!r}"
        assert self.end is not None, f"silence: {where}"
        assert self.data.count(b"HTTP/1.1 ") <= 1, f"two answers: {where}"
        assert self.status in (None, 101, 503), where
        if self.end == "served":
            assert self.data.partition(b"\r\n\r\n")[2] == ECHO, f"more than the echo: {where}"
        elif self.end != "refused":
            assert killers, f"dropped: {where}"


class Chaos:
    """Kills, and stops that last a moment; who was ever killed is noted before it is."""

    def __init__(self, gateway, luck):
        self.gateway, self.luck = gateway, luck
        self.kills = self.stops = 0
        self.killed, self.stopped = set(), []       # stopped: (until, pid)

    def step(self, now):
        for until, pid in [s for s in self.stopped if s[0] <= now]:
            self.stopped.remove((until, pid))
            self.signal(pid, signal.SIGCONT)
        victims = [pid for pid in pids(self.gateway, "wild")
                   if pid not in {pid for _, pid in self.stopped} | self.killed]
        if not victims or self.is_over():
            return
        victim = self.luck.choice(victims)
        if self.kills <= self.stops:
            self.kills += 1
            self.killed.add(victim)
            self.signal(victim, signal.SIGKILL)
        else:
            self.stops += 1
            self.stopped.append((now + self.luck.uniform(0.01, 0.2), victim))
            self.signal(victim, signal.SIGSTOP)

    def signal(self, pid, signum):
        try:
            os.kill(pid, signum)
        except ProcessLookupError:
            assert signum == signal.SIGCONT  # a stopped one that was killed by the heartbeat

    def is_over(self):
        return self.kills >= ROUNDS and self.stops >= ROUNDS


def drive(gateway, chaos, luck):
    """Guests come at an even pace until all faults are done and all guests have ended."""
    guests, here = [], set()
    next_guest = next_fault = time.monotonic()
    with selectors.DefaultSelector() as selector:
        def move(guest, step):
            selector.unregister(guest.socket)
            step()
            if guest.end is None:
                selector.register(guest.socket, selectors.EVENT_READ, guest)
            else:
                here.discard(guest)
        while here or chaos.stopped or not chaos.is_over():
            now = time.monotonic()
            if now >= next_fault:
                next_fault = now + FAULT_EVERY_SECS
                chaos.step(now)
            if now >= next_guest and not chaos.is_over():
                next_guest += 1 / UPGRADES_PER_SEC
                guest = Guest(gateway, luck)
                guests.append(guest)
                here.add(guest)
                selector.register(guest.socket, selectors.EVENT_READ, guest)
            pause = 0.002 if now >= next_guest else min(0.01, next_guest - now)
            for key, _ in selector.select(pause):
                move(key.data, key.data.read)
            # Judged behind the reads, by a time before them: it may be this process that stood still.
            assert not (late := [g for g in here if g.is_late(now)]), f"no answer: {late[0].client}"
            for guest in [g for g in here if g.speaks_at is not None and g.speaks_at <= now]:
                move(guest, guest.speak)
    return guests


def hand_overs(gateway):
    """{client: [pid, ...]} of all that the log says were taken; in a long run ports come again."""
    taken = {}
    for match in filter(None, map(OPEN_LINE.search, list(gateway.lines))):
        if match[2] == "wild":
            taken.setdefault(match[1], []).append(int(match[4]))
    return taken


def test_nobody_is_lost_or_served_twice_while_children_die_and_stand_still(serve):
    gateway = serve(CONFIG)
    quiet = [Client(gateway, "/calm") for _ in range(QUIET_CLIENTS)]
    assert answers(quiet) == [101] * QUIET_CLIENTS
    quiet = [client.websocket() for client in quiet]
    calm = pids(gateway, "calm")
    luck = random.Random(SEED)
    chaos = Chaos(gateway, luck)
    guests = drive(gateway, chaos, luck)
    assert wait_ready(gateway, 4, "wild")
    wait_connections(gateway, open=QUIET_CLIENTS, admitting=0)
    handed_over = status(gateway)["connections"]["handed_over"] - QUIET_CLIENTS
    wait_until(lambda: sum(map(len, hand_overs(gateway).values())) == handed_over, "the whole log")
    taken = hand_overs(gateway)
    for guest in guests:
        guest.check(chaos.killed & set(taken.get(guest.client, ())))
    addresses = [guest.client for guest in guests]
    for client, owners in taken.items():
        assert len(owners) <= addresses.count(client), f"{client} was taken twice"
    ends = [guest.end for guest in guests]
    # No matter how the dice fall: a run in which hardly anybody is served would prove nothing.
    assert ends.count("served") > len(guests) * 0.25, {end: ends.count(end) for end in set(ends)}
    for client in quiet:
        client.echo("nothing has happened here")
    assert pids(gateway, "calm") == calm
    assert len(gateway.events("child-exit")) == len(chaos.killed) == ROUNDS
    assert not gateway.events("child-broken") and not gateway.events("child-stuck")
    wait_until(lambda: {c["connections"] for c in children(gateway, "wild")} == {0}, "no guests")
