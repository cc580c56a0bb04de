# SPDX-License-Identifier: MIT
"""Children that break the protocol: each costs itself its life, and nobody else anything."""

import sys

import pytest

import raw
from gateway import REPOSITORY, Gateway
from probes import (IS_SANITIZED, PATIENT, Client, answers, children, close_all, descriptors,
                    opened, pids, pool, rss_bytes, wait_connections, wait_ready, wait_until)

ROGUE = [sys.executable, "-B", str(REPOSITORY / "tests" / "support" / "rogue_child.py")]
GROWTH_BYTES = (64 if IS_SANITIZED else 1) << 20

# (?fault= of baton-fault, a word of the reason); these come in place of TAKEN
BEFORE_TAKEN = [
    ("garbage", "version"),
    ("wrong-length", "length"),
    ("wrong-version", "version"),
    ("send-fd", "descriptor"),
    ("taken-foreign", "TAKEN"),
]
AFTER_TAKEN = [
    ("taken-twice", "TAKEN"),
    ("close-foreign", "CLOSED"),
    ("short-closed", "CLOSED"),
]
FLOODS = [("74", "flood"), ("200", "flood"), ("69", "PONG"), ("68", "CLOSED"), ("66", "TAKEN")]

# (?rogue= of rogue_child.py, a word of the reason); these come after a TAKEN
PACKETS = [
    ("empty", "empty"), ("half-header", "shorter"), ("too-large", "49152"),
    ("length-too-large", "length"), ("length-too-small", "length"),
    ("reserved", "reserved"), ("253-descriptors", "descriptor"),
    ("descriptor-with-taken", "descriptor"), ("shutdown", "shut"), ("ready-twice", "READY"),
    ("ready-no-number", "CAPACITY"), ("ready-no-room", "CAPACITY"), ("pong-without-ping", "PONG"),
    ("refused-after-taken", "REFUSED"), ("refused-200", "STATUS"), ("closed-empty", "CLOSED"),
    ("closed-twice", "CLOSED"), ("taken-of-id-0", "TAKEN"), ("no-pairs", "pairs"),
    ("allow", "kind"), ("deny", "kind"),
]


class Scene:
    """Two children with a connection each, one of which the next fault will hit."""

    def __init__(self, gateway):
        self.gateway, self.mark = gateway, gateway.mark()
        clients = [Client(gateway), Client(gateway)]
        assert answers(clients) == [101, 101]
        self.clients = {opened(gateway, c)[0]: c.websocket() for c in clients}
        assert len(self.clients) == 2
        for client in self.clients.values():
            client.echo("before")

    def check(self, word):
        """One child was killed, for a reason with this word; the other one's client is well."""
        gateway = self.gateway
        broken = gateway.wait_event("child-broken", since=self.mark)
        assert word in broken["reason"] and broken["action"] == "kill", broken
        victim = int(broken["pid"])
        self.clients.pop(victim).connection.read_eof()
        died = gateway.wait_event("child-exit", since=self.mark)
        assert (died["pid"], died["signal"]) == (str(victim), "9")
        for client in self.clients.values():
            client.echo("after")
        assert victim not in wait_ready(gateway, 2)
        assert len(gateway.events("child-broken", since=self.mark)) == 1
        for client in self.clients.values():
            client.close()


@pytest.fixture(scope="module")
def shared():
    """One gateway for all faults: what one of them leaves behind shows."""
    config = pool("baton-fault", options=PATIENT) + pool(ROGUE, name="rogue", options=PATIENT)
    with Gateway(config) as gateway:
        wait_ready(gateway, 2)
        wait_ready(gateway, 2, "rogue")
        gateway.descriptors = len(descriptors(gateway.pid))
        yield gateway


@pytest.fixture
def gateway(shared):
    yield shared
    close_all()
    wait_connections(shared, open=0, admitting=0)
    wait_until(lambda: len(descriptors(shared.pid)) == shared.descriptors,
               f"{shared.descriptors} descriptors as at first")


@pytest.mark.parametrize("fault, word", BEFORE_TAKEN, ids=[row[0] for row in BEFORE_TAKEN])
def test_breach_before_taken_costs_the_client_nothing(gateway, fault, word):
    scene = Scene(gateway)
    client = Client(gateway, f"/fault?fault={fault}&once={gateway.directory}/{fault}")
    with client.websocket() as hit:
        hit.echo("served by the other one")
        scene.check(word)
        hit.echo("still")


@pytest.mark.parametrize("fault, word", AFTER_TAKEN, ids=[row[0] for row in AFTER_TAKEN])
def test_breach_after_taken_costs_that_child_its_life(gateway, fault, word):
    scene = Scene(gateway)
    client = Client(gateway, f"/fault?fault={fault}")
    client.websocket().connection.read_eof()  # one 101, of the 101 and the end nothing else
    scene.check(word)


@pytest.mark.parametrize("kind, word", FLOODS, ids=[row[0] for row in FLOODS])
def test_flood_of_100000_messages_costs_that_child_its_life(gateway, kind, word):
    scene = Scene(gateway)
    before = rss_bytes(gateway.pid)
    path = f"/fault?fault=flood&wait=1&type={kind}&once={gateway.directory}/flood{kind}"
    with Client(gateway, path).websocket() as hit:
        hit.echo("served by the other one")
        scene.check(word)
    assert rss_bytes(gateway.pid) - before < GROWTH_BYTES
    assert len(gateway.lines) - scene.mark < 1100, "the flood went into the log"


@pytest.mark.parametrize("name, word", PACKETS, ids=[row[0] for row in PACKETS])
def test_packet_that_is_wrong_costs_that_child_its_life(gateway, name, word):
    mark = gateway.mark()
    victims = wait_ready(gateway, 2, "rogue")
    client = Client(gateway, f"/rogue?rogue={name}")
    if client.answer() is not None:
        client.read_eof() if client.status != 101 else client.websocket().connection.read_eof()
    broken = gateway.wait_event("child-broken", since=mark)
    assert word in broken["reason"], broken
    assert int(broken["pid"]) in victims and int(broken["pid"]) == opened(gateway, client)[0]
    assert gateway.wait_event("child-exit", since=mark)["pid"] == broken["pid"]
    wait_ready(gateway, 2, "rogue")
    client.close()


@pytest.mark.parametrize("end, event", [("taken", "close"), ("refused", "refuse")])
def test_socket_that_lingers_holds_up_nobody(gateway, end, event):
    with raw.Connection(gateway.address()) as client:
        client.send(raw.upgrade_head(f"/rogue?linger={end}"))
        gateway.wait_event(event, client=client.client)
        assert raw.get(gateway.address(), "/healthz").status == 200


@pytest.mark.parametrize("name", ["unknown-type", "full-packet"])
def test_what_a_newer_child_may_say_is_ignored(gateway, name):
    mark = gateway.mark()
    with Client(gateway, f"/rogue?rogue={name}").websocket() as client:
        client.echo("all is well")
        assert gateway.wait_event("child-message-unknown", since=mark)["type"] == "200"
        client.echo("and stays so")
    assert not gateway.events("child-broken", since=mark)


def test_ready_that_is_garbage_costs_that_child_its_life(serve):
    script = "mkdir @DIR@/once 2>/dev/null && exec baton-fault --ready-garbage; exec baton-fault"
    gateway = serve(pool(["sh", "-c", script]))
    assert "pairs" in gateway.wait_event("child-broken")["reason"]
    wait_ready(gateway, 2)
    assert len(gateway.wait_events("child-start", 3)) == 3
    Client(gateway).websocket().echo("fine now")


def test_many_breaches_leave_no_memory_behind(gateway):
    before = None
    for round_number in range(12):
        path = f"/fault?fault=taken-twice&round={round_number}"
        Client(gateway, path).websocket().connection.read_eof()
        wait_ready(gateway, 2)
        before = before or (rss_bytes(gateway.pid) if round_number == 3 else None)
    assert rss_bytes(gateway.pid) - before < GROWTH_BYTES
    assert pids(gateway) and children(gateway)[0]["restarts"] > 0
