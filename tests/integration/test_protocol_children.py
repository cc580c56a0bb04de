# SPDX-License-Identifier: MIT
"""The child's half of docs/protocol.md: three children (Python's, libbaton's, the test child)
against a gateway of a hundred lines; the examples of the manual; and that baton-fault has the
faults that other tests rely on."""

import array
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

import gateway
import raw
import wsclient

PYTHON_CHILD = gateway.REPOSITORY / "tests" / "support" / "python_child.py"
FAULT = gateway.BIN_DIR / "baton-fault"
CHILDREN = {
    "python": [sys.executable, str(PYTHON_CHILD)],
    "libbaton": [str(gateway.BIN_DIR / "baton-echo")],
    "fault": [str(FAULT)],
}

HELLO, CONNECTION, AUTH, CLOSE, PING, DRAIN = 1, 2, 5, 6, 7, 8
READY, TAKEN, REFUSED, CLOSED, PONG, LOG, ALLOW, DENY = 65, 66, 67, 68, 69, 74, 75, 76
NAMES = {HELLO, CONNECTION, AUTH, CLOSE, PING, DRAIN, READY, TAKEN, REFUSED, CLOSED, PONG, LOG,
         ALLOW, DENY}
HAVE_ID = (CONNECTION, AUTH, CLOSE, TAKEN, REFUSED, ALLOW, DENY)
HEADER = struct.Struct("<BBHIQ")
REPORT = struct.Struct("<5Q2HI")
MAX_PACKET = 48 * 1024
MESSAGE_LIMIT = 300000
ID = 0x700002


def pairs(**values):
    return b"".join(f"{key}={value}".encode() + b"\0" for key, value in values.items())


def packet(kind, ident=0, payload=b""):
    return HEADER.pack(1, kind, 0, len(payload), ident) + payload


@dataclass
class Report:
    ident: int
    bytes_in: int
    bytes_out: int
    messages_in: int
    messages_out: int
    code: int
    who: int
    reserved: int = 0


class FakeGateway:
    """One child, started as the gateway starts it, and the gateway's end of its channel."""

    def __init__(self, command, hello=True):
        # A duplicate of the child's end stays open here, as it does in the gateway.
        self.channel, self.child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(gateway.TIMEOUT_SECS)
        env = gateway.environment(BATON_FD=str(self.child_end.fileno()), BATON_PROTOCOL="1")
        self.process = subprocess.Popen(
            command, env=env, pass_fds=[self.child_end.fileno()], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.clients = []
        if hello:
            self.say_hello()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.close()
        self.leave()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        complaints = self.process.stderr.read()
        self.process.stderr.close()
        assert not gateway.SANITIZER_COMPLAINTS.search(complaints), complaints

    def leave(self):
        """As if the gateway had been killed."""
        self.channel.close()
        self.child_end.close()

    def say(self, kind, ident=0, payload=b"", fd=None):
        rights = [] if fd is None else [
            (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.channel.sendmsg([packet(kind, ident, payload)], rights)

    def say_hello(self):
        self.say(HELLO, payload=pairs(
            POOL="chat", CHILD=0, CAPACITY=100, MESSAGE_LIMIT=MESSAGE_LIMIT, SEND_LIMIT=1 << 20,
            DRAIN_TIMEOUT_MS=20000, LATER="unknown keys are ignored"))

    def hear_packet(self):
        """(bytes, descriptors that came with them)"""
        data, rights, _, _ = self.channel.recvmsg(
            2 * MAX_PACKET, socket.CMSG_SPACE(64), socket.MSG_CMSG_CLOEXEC)
        fds = array.array("i")
        for _, _, content in rights:
            fds.frombytes(content)
        return data, list(fds)

    def hear(self, kind, but=()):
        """(id, payload) of the next message, which is of this kind; kinds in but are skipped."""
        while True:
            data, fds = self.hear_packet()
            assert len(data) >= HEADER.size, f"no message: {data!r}"
            version, heard, reserved, length, ident = HEADER.unpack_from(data)
            assert (version, reserved, length, fds) == (1, 0, len(data) - HEADER.size, []), data
            if heard not in but or heard == kind:
                assert heard == kind, data
                return ident, data[HEADER.size:]

    def hear_report(self):
        ident, payload = self.hear(CLOSED)
        assert (ident, len(payload)) == (0, REPORT.size)
        return Report(*REPORT.unpack(payload))

    def hears_nothing_before_pong(self):
        """The child has seen all that was said, and said nothing but its PONG."""
        self.say(PING)
        self.hear(PONG)

    def offer(self, ident=ID, query="", early=b"", fields=("Cookie: a=b",)):
        """Offers a client; gives its end, on which early was sent behind the head."""
        ours, theirs = socket.socketpair()
        client = raw.Connection.__new__(raw.Connection)
        client.socket, client.buffer, client.client = ours, b"", ""
        self.clients.append(client)
        ours.settimeout(gateway.TIMEOUT_SECS)
        ours.sendall(early)
        target = "/chat/lobby" + ("?" + query if query else "")
        head = raw.upgrade_head(target, "example.org", fields).decode()
        self.say(CONNECTION, ident, pairs(
            REMOTE_ADDR="192.0.2.7", REMOTE_PORT=51234, SERVER_NAME="example.org",
            SERVER_PORT=8080, SERVER_PROTOCOL="HTTP/1.1", REQUEST_METHOD="GET",
            REQUEST_URI=target, SCRIPT_NAME="/chat", PATH_INFO="/lobby", QUERY_STRING=query,
            ROUTE="/chat", HEAD=head), theirs.fileno())
        theirs.close()
        return client

    def connect(self, ident=ID, query="", early=b""):
        """The same until the 101 has come."""
        client = self.offer(ident, query, early)
        assert self.hear(TAKEN) == (ident, b"")
        return wsclient.WebSocket.over(client)

    def wait(self):
        return self.process.wait(gateway.TIMEOUT_SECS)


@pytest.fixture(params=CHILDREN, name="child")
def ready_child(request):
    with FakeGateway(CHILDREN[request.param]) as fake:
        fake.hear(READY)
        yield fake


@pytest.fixture(name="fault")
def ready_fault_child():
    with FakeGateway([str(FAULT)]) as fake:
        fake.hear(READY)
        yield fake


def is_at_end(client):
    """End of file; a reset counts, for a child that dies leaves bytes unread."""
    try:
        return not client.more()
    except ConnectionResetError:
        return True


# -- what every child does -------------------------------------------------------------------


@pytest.mark.parametrize("name", CHILDREN)
def test_hello_is_answered_by_ready_with_a_capacity(name):
    with FakeGateway(CHILDREN[name]) as fake:
        ident, payload = fake.hear(READY)
        assert ident == 0
        assert payload == b"CAPACITY=100\0"


@pytest.mark.parametrize("name", CHILDREN)
def test_a_child_that_is_run_by_hand_says_how_to_start_it(name):
    env = {key: value for key, value in gateway.environment().items()
           if not key.startswith("BATON_")}
    result = subprocess.run(CHILDREN[name], env=env, stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, timeout=gateway.TIMEOUT_SECS, check=False)
    assert result.returncode == 2
    assert "baton serve --child" in result.stderr


def test_messages_of_every_size_come_back(child):
    client = child.connect()
    for opcode in wsclient.TEXT, wsclient.BINARY:
        for size in 0, 1, 125, 126, 65535, 65536, MESSAGE_LIMIT:
            client.echo(b"x" * size, opcode)
    client.echo("žluťoučký 🐎")
    client.echo(bytes(range(256)), wsclient.BINARY)


def test_fragments_become_one_message_with_a_ping_between_them(child):
    client = child.connect()
    client.send(wsclient.TEXT, b"one ", fin=False)
    client.send(wsclient.PING, b"between")
    client.send(wsclient.CONTINUATION, "ž".encode()[:1], fin=False)
    client.send(wsclient.CONTINUATION, "ž".encode()[1:])
    pong = client.receive()
    assert (pong.opcode, pong.payload) == (wsclient.PONG, b"between")
    assert client.receive_message() == (wsclient.TEXT, "one ž".encode())


def test_what_came_behind_the_head_is_served(child):
    frames = [wsclient.frame_bytes(wsclient.TEXT, payload) for payload in (b"first", b"2")]
    client = child.connect(early=b"".join(frames))
    assert client.receive_message() == (wsclient.TEXT, b"first")
    assert client.receive_message() == (wsclient.TEXT, b"2")


def test_many_clients_have_their_own_bytes(child):
    clients = [child.connect(ident) for ident in range(1, 21)]
    for number, client in enumerate(clients):
        client.send_text(f"from {number}")
    for number, client in enumerate(clients):
        assert client.receive_message() == (wsclient.TEXT, f"from {number}".encode())


def test_the_report_of_a_close_is_the_one_in_the_manual(child):
    client = child.connect()
    client.echo("hello")
    assert client.close(1000).code == 1000
    assert child.hear_report() == Report(ID, 19, 11, 1, 1, 1000, 0)


def test_a_close_without_a_code_is_reported_as_1005(child):
    client = child.connect()
    client.send(wsclient.CLOSE)
    assert client.wait_close().payload == b""
    assert child.hear_report() == Report(ID, 6, 2, 0, 0, 1005, 0)


def test_a_client_that_just_leaves_is_reported_as_1006(child):
    client = child.connect()
    client.connection.close()
    assert child.hear_report() == Report(ID, 0, 0, 0, 0, 1006, 0)


def test_an_unmasked_frame_is_answered_by_1002_and_reported(child):
    client = child.connect()
    client.send(wsclient.TEXT, b"bare", mask=False)
    assert client.wait_close().code == 1002
    client.connection.close()
    report = child.hear_report()
    assert (report.code, report.who, report.messages_in) == (1002, 1, 0)


def test_a_message_above_the_limit_of_hello_is_answered_by_1009(child):
    client = child.connect()
    client.send(wsclient.BINARY, b"x" * 1000, fin=False)
    client.connection.send(wsclient.frame_bytes(wsclient.CONTINUATION, b"x" * MESSAGE_LIMIT)[:14])
    assert client.wait_close().code == 1009
    client.connection.close()
    assert child.hear_report().code == 1009


def test_the_gateway_closes_a_connection(child):
    client = child.connect()
    child.say(CLOSE, ID + 5, pairs(CODE=1008))  # over already: ignored
    child.say(CLOSE, ID, pairs(CODE=1008, REASON="kicked"))
    frame = client.wait_close()
    assert (frame.code, frame.reason) == (1008, "kicked")
    client.send_close(1008)
    assert child.hear_report() == Report(ID, 8, 10, 0, 0, 1008, 1)


def test_every_ping_has_its_pong(child):
    for _ in range(3):
        child.hears_nothing_before_pong()


def a_full_channel_holds_up_no_client(child):
    """Not a rule for every child: a small one may use blocking sends."""
    there = child.connect(1)
    with pytest.raises(BlockingIOError):
        while True:  # through the duplicate of the child's end: the gateway does not read
            child.child_end.send(packet(LOG), socket.MSG_DONTWAIT)
    newcomer = child.offer(2)
    for _ in range(20):  # turns of the child's loop; in some of them it has the offer
        there.echo("who needs a gateway?")
    ident, _ = child.hear(TAKEN, but=[LOG])
    assert ident == 2
    wsclient.WebSocket.over(newcomer).echo("my turn")


def test_a_full_channel_holds_up_no_client_of_libbaton():
    with FakeGateway(CHILDREN["libbaton"]) as child:
        child.hear(READY)
        a_full_channel_holds_up_no_client(child)


def test_unknown_types_are_ignored(child):
    child.say(200, 7, b"\0whatever")
    child.say(200, 7)
    child.say(PING)
    child.hear(PONG, but=[LOG])
    child.connect().echo("still here")


def test_an_offer_that_was_taken_back_is_not_missed(child):
    client = child.offer()
    # Whoever reads it first has it: the child is served or hears of nothing, and lives on.
    child.child_end.setblocking(False)
    try:
        _, fds, _, _ = socket.recv_fds(child.child_end, MAX_PACKET, 1)
        os.close(fds[0])
    except BlockingIOError:
        assert child.hear(TAKEN) == (ID, b"")
        wsclient.WebSocket.over(client).echo("mine")
    child.child_end.setblocking(True)
    child.connect(ID + 1).echo("the next")


def test_malformed_messages_are_survived(child):
    child.say(CONNECTION, ID, pairs(HEAD="GET / HTTP/1.1\r\n\r\n"))  # without a socket
    child.say(PING, fd=child.child_end.fileno())
    for bad in b"x", packet(PING)[:15], b"\2" + packet(PING)[1:], packet(PING) + b"more":
        child.channel.send(bad)
    child.say(PING)
    child.hear(PONG, but=[LOG, REFUSED])
    child.connect(ID + 1).echo("still here")


def test_a_child_without_a_free_descriptor_refuses_and_recovers(child):
    child.hears_nothing_before_pong()
    used = {int(name) for name in os.listdir(f"/proc/{child.process.pid}/fd")}
    free = next(number for number in range(len(used) + 1) if number not in used)
    before = resource.prlimit(child.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(child.process.pid, resource.RLIMIT_NOFILE, (free, before[1]))
    child.offer()
    assert child.hear(REFUSED, but=[LOG]) == (ID, b"")
    resource.prlimit(child.process.pid, resource.RLIMIT_NOFILE, before)
    child.connect(ID + 1).echo("room again")


def test_drain_refuses_newcomers_closes_the_others_and_exits(child):
    clients = [child.connect(ident) for ident in (1, 2)]
    child.say(DRAIN, payload=pairs(DEADLINE_MS=20000))
    for client in clients:
        assert client.wait_close().code == 1001
    child.offer(3)
    assert child.hear(REFUSED) in ((3, b""), (3, pairs(LEAVING=1)))
    for ident, client in enumerate(clients, 1):
        client.send_close(1001)
        assert child.hear_report() == Report(ident, 8, 4, 0, 0, 1001, 1)
    assert child.wait() == 0


def test_drain_ends_at_its_deadline_whatever_the_clients_do(child):
    child.connect()
    child.say(DRAIN, payload=pairs(DEADLINE_MS=50))
    assert child.wait() == 0


def test_a_child_without_connections_exits_when_the_gateway_is_gone(child):
    child.leave()
    assert child.wait() == 0


def test_connections_are_served_on_when_the_gateway_is_gone(child):
    first, second = child.connect(1), child.connect(2)
    child.leave()
    first.echo("who is there?")
    first.close()
    second.echo("still served")
    second.close()
    assert child.wait() == 0


def test_an_offer_whose_gateway_is_gone_is_served(child):
    os.kill(child.process.pid, signal.SIGSTOP)
    client = child.offer()
    child.leave()
    os.kill(child.process.pid, signal.SIGCONT)
    socket_of_client = wsclient.WebSocket.over(client)
    socket_of_client.echo("nobody else can")
    socket_of_client.close()
    assert child.wait() == 0


# -- the manual ------------------------------------------------------------------------------


def test_the_examples_of_the_manual_are_right():
    text = (gateway.REPOSITORY / "docs" / "protocol.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```hex\n(.*?)```", text, re.DOTALL)
    kinds = set()
    for block in blocks:
        data = bytes.fromhex("".join(line[6:53] for line in block.splitlines()))
        version, kind, reserved, length, ident = HEADER.unpack_from(data)
        payload = data[HEADER.size:]
        assert (version, reserved, length) == (1, 0, len(payload)), block
        shown = "".join(line[55:] for line in block.splitlines())
        assert shown == "".join(chr(b) if 32 <= b < 127 else "." for b in data), block
        if kind == CLOSED:
            assert Report(*REPORT.unpack(payload)) == Report(ID, 19, 11, 1, 1, 1000, 0)
        else:
            assert payload == b"" or re.fullmatch(rb"([A-Z0-9_-]+=[^\0]*\0)+", payload), block
        assert ident == (ID if kind in HAVE_ID else 0), block
        kinds.add(kind)
    assert kinds == NAMES


# -- the faults of baton-fault ---------------------------------------------------------------


@pytest.mark.parametrize("name, status", [
    ("die-before-taken", 1), ("crash-before-taken", -signal.SIGABRT)])
def test_fault_dies_before_taken(fault, name, status):
    fault.offer(query=f"fault={name}")
    assert fault.wait() == status
    fault.channel.setblocking(False)
    with pytest.raises(BlockingIOError):
        fault.hear_packet()


def test_fault_once_has_its_fault_only_once(tmp_path):
    for status in 1, None:
        with FakeGateway([str(FAULT)]) as fake:
            fake.hear(READY)
            client = fake.offer(query=f"fault=die-before-taken&once={tmp_path}/done")
            if status is not None:
                assert fake.wait() == status
            else:
                assert fake.hear(TAKEN) == (ID, b"")
                wsclient.WebSocket.over(client).echo("served")


def test_fault_dies_after_taken_or_after_101(fault):
    client = fault.offer(query="fault=die-after-taken")
    assert fault.hear(TAKEN) == (ID, b"")
    assert fault.wait() == 1
    assert is_at_end(client) and client.buffer == b""
    with FakeGateway([str(FAULT)]) as second:
        second.hear(READY)
        served = second.connect(query="fault=die-after-101")
        assert second.wait() == 1
        assert is_at_end(served.connection)


def test_fault_never_takes_and_serves_others(fault):
    fault.offer(1, query="fault=never-take")
    fault.hears_nothing_before_pong()
    fault.connect(2).echo("next")


def test_fault_refuses(fault):
    for ident, name, payload in (1, "refuse", b""), (2, "refuse-403", b"STATUS=403\0"):
        client = fault.offer(ident, query=f"fault={name}")
        assert fault.hear(REFUSED) == (ident, payload)
        assert is_at_end(client)


def test_fault_takes_slowly(fault):
    begun = time.monotonic()
    fault.connect(query="fault=slow-take&ms=80").echo("at last")
    assert time.monotonic() - begun >= 0.08


def test_fault_stops_reading_and_resumes(fault):
    client = fault.connect(query="fault=stop-reading")
    fault.say(PING)
    client.echo("served")
    client.echo("resume")
    fault.hear(PONG)
    client.echo("stop-reading")
    fault.say(PING)
    client.echo("served")
    fault.channel.setblocking(False)
    with pytest.raises(BlockingIOError):
        fault.hear_packet()


def test_fault_breaks_the_protocol_after_a_taken(fault):
    fault.connect(1, query="fault=taken-twice")
    assert fault.hear(TAKEN) == (1, b"")
    fault.connect(10, query="fault=close-foreign")
    assert fault.hear_report().ident == 11
    fault.connect(20, query="fault=short-closed")
    ident, payload = fault.hear(CLOSED)
    assert (ident, len(payload)) == (0, 47)


def test_fault_breaks_the_protocol_before_a_taken(fault):
    fault.offer(query="fault=taken-foreign")
    assert fault.hear(TAKEN) == (ID + 1, b"")
    heard = {}
    for name in "garbage", "wrong-length", "wrong-version", "send-fd":
        fault.offer(query=f"fault={name}")
        heard[name] = fault.hear_packet()
    assert len(heard["garbage"][0]) == 64
    assert heard["wrong-length"][0] == HEADER.pack(1, LOG, 0, 100, 0)
    assert heard["wrong-version"][0] == HEADER.pack(2, LOG, 0, 0, 0)
    assert heard["send-fd"][0] == packet(LOG)
    assert [len(heard[name][1]) for name in heard] == [0, 0, 0, 1]
    os.close(heard["send-fd"][1][0])
    fault.hears_nothing_before_pong()


@pytest.mark.parametrize("child", range(4))
def test_garbage_of_fault_is_never_of_a_version_that_there_is(fault, child):
    first = set()
    for _ in range(400):  # by chance it was, once in 256; the child keeps each descriptor
        fault.offer(query="fault=garbage")
        first.add(fault.hear_packet()[0][0])
        fault.clients.pop().socket.close()
    assert 1 not in first and len(first) > 50


@pytest.mark.parametrize("query, kind", [("fault=flood", LOG), ("fault=flood&type=69", PONG)])
def test_fault_floods_and_serves(fault, query, kind):
    client = fault.offer(query=query)
    for _ in range(100):
        fault.hear(kind)
    assert fault.hear(TAKEN, but=[kind]) == (ID, b"")
    wsclient.WebSocket.over(client).echo("served")


def orphan_of(fake, query):
    """(pid, start time) of what the child leaves behind; ours, as conftest makes us a subreaper."""
    def ours():
        return {(pid, info[3]) for pid, info in gateway.all_processes().items()
                if info[0] == os.getpid() and info[1] == pid}
    before = ours()
    fake.offer(query=query)
    assert fake.wait() == 1
    (orphan,) = ours() - before
    return orphan


def test_fault_leaves_a_grandchild_that_acknowledges_late(fault):
    pid, _ = orphan_of(fault, "fault=grandchild&now=1")
    assert fault.hear(TAKEN) == (ID, b"")
    os.waitpid(pid, 0)


def test_fault_leaves_a_grandchild_that_waits_until_the_channel_is_shut(fault):
    pid, start_time = orphan_of(fault, "fault=grandchild")
    fault.channel.shutdown(socket.SHUT_RDWR)
    assert gateway.wait_gone(pid, start_time, time.monotonic() + gateway.TIMEOUT_SECS)
    os.waitpid(pid, 0)
    assert fault.hear_packet() == (b"", [])  # end of file, and no TAKEN before it


def test_fault_obeys_text_commands(fault):
    client = fault.connect()
    client.send_text("pid")
    assert client.receive_message() == (wsclient.TEXT, str(fault.process.pid).encode())
    client.send_text("big 1000000")
    assert client.receive_message() == (wsclient.TEXT, b"x" * 1000000)
    client.echo("stderr one line")
    assert fault.process.stderr.readline() == "one line\n"
    client.echo("stderr-flood 3")
    assert [fault.process.stderr.readline() for _ in range(3)] == [
        f"line {number} of a flood\n" for number in range(3)]
    client.echo("pidgin")
    begun = time.monotonic()
    client.echo("block 80")
    client.echo("after it")
    assert time.monotonic() - begun >= 0.08
    client.echo("exit 7")
    assert fault.wait() == 7


def test_fault_crashes_on_command(fault):
    client = fault.connect()
    client.echo("crash")
    assert fault.wait() == -signal.SIGABRT
    assert is_at_end(client.connection)


def test_fault_is_ready_as_it_is_told():
    with FakeGateway([str(FAULT), "--no-ready"]) as fake:
        fake.hears_nothing_before_pong()
    with FakeGateway([str(FAULT), "--ready-garbage"]) as fake:
        assert fake.hear(READY) == (0, b"this is no pair")
    with FakeGateway([str(FAULT), "--slow-ready", "1000"]) as fake:
        fake.hears_nothing_before_pong()
        assert fake.hear(READY) == (0, b"CAPACITY=100\0")
    with FakeGateway([str(FAULT), "--exit", "3"], hello=False) as fake:
        assert fake.wait() == 3


def test_fault_ignores_what_it_is_told_to_ignore():
    with FakeGateway([str(FAULT), "--no-pong"]) as fake:
        fake.hear(READY)
        fake.say(PING)
        fake.connect().echo("silent")
    with FakeGateway([str(FAULT), "--ignore-term"]) as fake:
        fake.hear(READY)
        os.kill(fake.process.pid, signal.SIGTERM)
        fake.say(DRAIN, payload=pairs(DEADLINE_MS=0))
        fake.hears_nothing_before_pong()
