# SPDX-License-Identifier: MIT
"""baton-chat and baton-status by the bit: who meets whom, what a newcomer is told, what is refused
and in which words, and that nothing that a client sends harms anybody."""

import json
import random
import select
import subprocess
import time
from urllib.parse import quote

import pytest

import probes
import raw
import wsclient
from gateway import BIN_DIR, Gateway

CHAT = """
pool "chat"   { command = {"baton-chat", "--demo"}  children = 3  message_limit = "16k" }
pool "plain"  { command = {"baton-chat"}  children = 1 }
pool "status" { command = {"baton-status", "@DIR@/control.sock"}  children = 1 }
pool "lost"   { command = {"baton-status", "@DIR@/no.sock"}  children = 1 }
route "/chat"   { pool = "chat"  hash = "query:room" }
route "/plain"  { pool = "plain" }
route "/status" { pool = "status" }
route "/lost"   { pool = "lost" }
"""
BLOCK_MS = 4000
UNESCAPED = "-_.!~*'()"  # what encodeURIComponent leaves as it is


class Member(wsclient.WebSocket):
    """Someone in a room. hello: the first message."""

    def __init__(self, gateway, room, name="ada", path="/chat"):
        room, name = (quote(text, safe=UNESCAPED) for text in (room, name))
        super().__init__(gateway.address(), f"{path}?room={room}&name={name}")
        self.hello = self.next()
        assert self.hello["what"] == "hello", self.hello
        self.pid, self.name = self.hello["pid"], self.hello["name"]

    def next(self):
        opcode, payload = self.receive_message()
        assert opcode == wsclient.TEXT
        return json.loads(payload)

    def expect(self, what, **wanted):
        """The next message, which must be this."""
        message = self.next()
        assert message["what"] == what, message
        assert {key: message.get(key) for key in wanted} == wanted, message
        return message

    def do(self, command, **values):
        self.send_text(json.dumps({"do": command, **values}, ensure_ascii=False))

    def say(self, text):
        self.do("say", text=text)

    def complaint(self, error):
        return self.expect("error", error=error)["text"]

    def is_well(self):
        """Nothing else has come, and the child answers."""
        self.do("ping", id=77)
        self.expect("pong", id=77)


@pytest.fixture(scope="module")
def chat():
    with Gateway(CHAT) as gateway:
        yield gateway


@pytest.fixture
def join(chat):
    """join(room, name) gives a Member; all leave after the test, and everybody survived it."""
    before = {c["pid"] for c in probes.children(chat, "chat")}
    mine = []

    def enter(*args, **kwargs):
        mine.append(Member(chat, *args, **kwargs))
        return mine[-1]

    yield enter
    for member in mine:
        member.connection.close()
    probes.wait_connections(chat, open=0, admitting=0)  # the next test's member is not "ada (2)"
    assert {c["pid"] for c in probes.children(chat, "chat")} == before, chat.log()


# -- meeting -----------------------------------------------------------------------------------


def test_two_in_a_room_meet(join):
    ada = join("meet", "ada")
    assert ada.hello["members"] == ["ada"]
    assert (ada.hello["room"], ada.hello["history"], ada.hello["demo"]) == ("meet", [], True)
    bob = join("meet", "bob")
    assert bob.hello["members"] == ["ada", "bob"]
    ada.expect("join", name="bob")
    bob.say("h\u00e4ll\u00f6 \U0001f980\nsecond line")
    line = ada.expect("line", name="bob", text="h\u00e4ll\u00f6 \U0001f980\nsecond line")
    assert line["at"] > 1_600_000_000_000
    bob.expect("line", name="bob")
    ada.do("who")
    ada.expect("who", members=["ada", "bob"])
    bob.close()
    ada.expect("leave", name="bob")


def test_a_name_is_unique_in_its_room(join):
    assert [join("names", n).name for n in ("ada", "Ada", "ada", "ada (2)")] == [
        "ada", "Ada (2)", "ada (3)", "ada (2) (2)"]
    assert join("other names", "ada").name == "ada"


def test_who_gives_no_name_is_a_guest(chat):
    with wsclient.WebSocket(chat.address(), "/chat?room=guests") as client:
        assert json.loads(client.receive_message()[1])["name"] == "guest"


def test_a_room_lives_in_one_process_whichever_children_there_are(join):
    owners = {}
    for room in (f"room {i}" for i in range(12)):
        one, two, three = (join(room, name) for name in ("one", "two", "three"))
        assert one.pid == two.pid == three.pid
        owners[room] = one.pid
    assert len(set(owners.values())) == 3, "12 rooms, and a child without any"


def test_a_newcomer_is_told_the_last_fifty_lines(join):
    ada, bob = join("history", "ada"), join("history", "bob")
    ada.expect("join", name="bob")
    cat = join("history", "cat")
    speakers = [ada, bob, cat] + [join("history", f"m{i}") for i in range(5)]
    for i in range(56):  # seven each: within what a client may say at once
        speakers[i % len(speakers)].say(f"line {i}")
        while (message := ada.next())["what"] != "line":
            pass
        assert message["text"] == f"line {i}"
    newcomer = join("history", "newcomer")
    assert [line["text"] for line in newcomer.hello["history"]] == [
        f"line {i}" for i in range(6, 56)]
    assert newcomer.hello["limits"]["history_lines"] == 50


def test_a_room_remembers_while_nobody_is_there(chat, join):
    ada = join("memory", "ada")
    ada.say("do not forget")
    ada.expect("line")
    ada.close()
    probes.wait_until(lambda: join("memory", "bob").hello["members"] == ["bob"], "ada gone")
    assert join("memory", "cat").hello["history"][0]["text"] == "do not forget"


def test_typing_is_told_to_the_others_and_once(join):
    ada, bob = join("typing", "ada"), join("typing", "bob")
    ada.expect("join")
    for on in (True, True, False, False, True):
        bob.do("typing", on=on)
    bob.say("done")
    bob.do("typing", on=False)  # a line has ended it already
    for on in (True, False, True):
        ada.expect("typing", name="bob", on=on)
    ada.expect("line", text="done")
    ada.is_well()
    bob.expect("line")
    bob.is_well()


# -- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("query, words", [
    ("", "which room?"),
    ("?name=ada", "which room?"),
    ("?room", "which room?"),
    ("?rooms=a&xroom=b", "which room?"),
    ("?room=", "room= is empty"),
    ("?room=%20%20", "room= is empty"),
    ("?room=%20a", "begin or end with a space"),
    ("?room=" + "a" * 65, "at most 64 characters"),
    ("?room=" + "a" * 5000, "at most 64 characters"),
    ("?room=a%00b", "control characters"),
    ("?room=a%0Ab", "control characters"),
    ("?room=a%E2%80%AEb", "control characters"),  # turns what follows around
    ("?room=%FF", "percent-encoded UTF-8"),
    ("?room=%C0%AF", "percent-encoded UTF-8"),
    ("?room=%ED%A0%80", "percent-encoded UTF-8"),
    ("?room=%F4%90%80%80", "percent-encoded UTF-8"),
    ("?room=%E2%82", "percent-encoded UTF-8"),
    ("?room=%61", "encodeURIComponent"),  # would hash to another child than room=a
    ("?room=%c3%a4", "encodeURIComponent"),
    ("?room=a+b", "encodeURIComponent"),
    ("?room=a/b", "encodeURIComponent"),
    ("?room=a&name=", "name= is empty"),
    ("?room=a&name=" + "x" * 33, "at most 32 characters"),
    ("?room=a&name=%7F", "control characters"),
    ("?room=a&name=ada%20", "begin or end with a space"),
    ("?room=a&name=%80", "percent-encoded UTF-8"),
])
def test_a_wrong_room_or_name_is_refused_in_words(chat, query, words):
    with raw.Connection(chat.address()) as client:
        client.send(raw.upgrade_head("/chat" + query))
        response = client.read_response()
        assert response.status == 400, response
        assert words in response.body.decode(), response.body


@pytest.mark.parametrize("room, name", [
    ("\u4e16" * 64, "\U0001f980" * 32), ("a'(b)*!~", "x"), ("100%", "%41"), ("a&b=c", "a&b"),
])
def test_the_longest_and_oddest_names_are_fine(join, room, name):
    member = join(room, name)
    assert (member.hello["room"], member.name) == (room, name)
    assert join(room, name).name == f"{name} (2)"


def test_a_line_has_its_limits(join):
    ada = join("lines", "ada")
    ada.say("\u4e16" * 1000)
    ada.expect("line", text="\u4e16" * 1000)
    ada.say("x" * 1001)
    assert "at most 1000 characters" in ada.complaint("too-long")
    ada.say("")
    ada.complaint("empty")
    ada.say(" \n\t ")
    ada.complaint("empty")
    ada.say("a\x07b")
    ada.complaint("bad-text")
    ada.say("a\u202eb")
    ada.complaint("bad-text")
    ada.is_well()


def test_more_than_a_few_lines_a_second_are_too_many(join):
    ada = join("fast", "ada")
    began = time.monotonic()
    for i in range(20):
        ada.say(f"{i}")
    answers = [ada.next() for _ in range(20)]
    lines = [a for a in answers if a["what"] == "line"]
    assert 10 <= len(lines) <= 11 + 5 * (time.monotonic() - began), answers
    refused = [a for a in answers if a["what"] == "error"]
    assert {a["error"] for a in refused} == {"too-fast"}
    assert "at most 5 lines a second" in refused[0]["text"]
    ada.is_well()


def test_a_flood_ends_the_flooder_alone(join):
    ada, bob = join("flood", "ada"), join("flood", "bob")
    for _ in range(20):
        bob.connection.send(wsclient.frame_bytes(wsclient.TEXT, b'{"do":"who"}') * 50)
        if bob.connection.buffer:
            break
    close = bob.wait_close()
    assert (close.code, close.reason) == (1008, "more than 50 messages a second")
    ada.expect("join")
    bob.connection.close()
    ada.expect("leave", name="bob")
    ada.is_well()


# -- nonsense ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text, error", [
    ("", "bad-json"), ("{", "bad-json"), ("null", "bad-json"), ("[]", "bad-json"),
    ("7", "bad-json"), ('"say"', "bad-json"), ("{}", "bad-json"), ("hello", "bad-json"),
    ('{"do":null}', "bad-json"), ('{"do":7}', "bad-json"), ('{"do":["say"]}', "bad-json"),
    ('{"do":"say","do":"who"}', "bad-json"), ('{"do":"say","text":"\\u0000"}', "bad-json"),
    ('{"do":"say","text":"\\ud800"}', "bad-json"), ('{"do":"who"} trailing', "bad-json"),
    ("[" * 8000, "bad-json"), ('{"a":' * 2000, "bad-json"), ('{"do":1e999999}', "bad-json"),
    ('{"do":"' + "x" * 15000 + '"}', "unknown-command"), ('{"do":""}', "unknown-command"),
    ('{"do":"SAY","text":"x"}', "unknown-command"),
    ('{"do":"say"}', "bad-value"), ('{"do":"say","text":7}', "bad-value"),
    ('{"do":"say","text":["x"]}', "bad-value"), ('{"do":"typing"}', "bad-value"),
    ('{"do":"typing","on":"yes"}', "bad-value"), ('{"do":"ping"}', "bad-value"),
    ('{"do":"ping","id":"x"}', "bad-value"), ('{"do":"ping","id":1.5}', "bad-value"),
    ('{"do":"block"}', "bad-value"), ('{"do":"block","ms":0}', "bad-value"),
    ('{"do":"block","ms":-1}', "bad-value"), ('{"do":"block","ms":10001}', "bad-value"),
    ('{"do":"block","ms":9223372036854775807}', "bad-value"),
])
def test_what_makes_no_sense_gets_a_sentence(join, text, error):
    ada = join("nonsense", "ada")
    ada.send_text(text)
    sentence = ada.complaint(error)
    assert sentence.endswith("."), sentence
    ada.is_well()


def test_binary_messages_make_no_sense(join):
    ada = join("nonsense", "ada")
    ada.send(wsclient.BINARY, b'{"do":"who"}')
    ada.complaint("bad-json")
    ada.is_well()


def test_random_messages_harm_nobody(join):
    dice = random.Random(6455)
    ada = join("random", "ada")
    words = ['"do"', '"say"', '"text"', ":", ",", "{", "}", "[", "]", "null", "1", '"', "\\", "\\u"]
    for _ in range(60):
        text = "".join(dice.choice(words) for _ in range(dice.randrange(30)))
        ada.send_text(text)
        assert ada.next()["what"] in ("error", "line", "who"), text
    ada.do("who")
    ada.expect("who", members=["ada"])


def test_a_message_beyond_the_limit_is_refused(join):
    ada = join("big", "ada")
    ada.say("x" * 20000)
    assert ada.wait_close().code == 1009


# -- the demo's faults -------------------------------------------------------------------------


def test_without_demo_nobody_can_block_or_crash(chat):
    with Member(chat, "safe", path="/plain") as ada:
        assert ada.hello["demo"] is False
        ada.do("crash")
        ada.complaint("unknown-command")
        ada.do("block", ms=100)
        ada.complaint("unknown-command")
        ada.is_well()


def elsewhere(join, pid, name="eve"):
    """Someone in a room of another child."""
    for i in range(50):
        member = join(f"elsewhere {i}", name)
        if member.pid != pid:
            return member
    raise AssertionError("50 rooms on one child")


def test_a_blocked_child_delays_its_own_rooms_alone(join):
    ada, bob = join("blocked", "ada"), join("blocked", "bob")
    eve = elsewhere(join, ada.pid)
    ada.expect("join")
    ada.do("block", ms=BLOCK_MS)
    for member in (ada, bob):
        member.expect("block", name="ada", ms=BLOCK_MS, pid=ada.pid)
    newcomer = join(eve.hello["room"], "newcomer")
    eve.expect("join", name="newcomer")
    bob.say("can you hear me")
    for _ in range(20):
        newcomer.is_well()
        eve.is_well()
    readable, _, _ = select.select([bob.connection.socket], [], [], 0)
    assert not readable, bob.next()
    for member in (ada, bob):
        member.expect("line", name="bob", text="can you hear me")


def test_after_a_crash_the_room_is_there_again(start):
    gateway = start(CHAT)
    ada, bob = Member(gateway, "crash", "ada"), Member(gateway, "crash", "bob")
    rooms = [Member(gateway, f"other {i}", "eve") for i in range(8)]
    ada.expect("join")
    ada.do("crash")
    for member in (ada, bob):
        member.expect("crash", name="ada", pid=ada.pid)
        assert not member.connection.more(), "an end of file"
    gateway.wait_event("child-exit", pid=ada.pid, signal=6)
    probes.wait_ready(gateway, 3, "chat")
    again, too = Member(gateway, "crash", "ada"), Member(gateway, "crash", "bob")
    assert again.pid == too.pid != ada.pid
    assert again.hello["history"] == [] and too.hello["members"] == ["ada", "bob"]
    again.expect("join", name="bob")
    too.say("here we are")
    again.expect("line", text="here we are")
    survivors = [member for member in rooms if member.pid != ada.pid]
    assert survivors
    for member in survivors:
        member.is_well()
    for member in (ada, bob, again, too, *rooms):
        member.connection.close()


# -- baton-status ------------------------------------------------------------------------------


def status_client(gateway, path="/status"):
    client = wsclient.WebSocket(gateway.address(), path)
    hello = json.loads(client.receive_message()[1])
    assert hello["what"] == "hello"
    return client, hello["pid"]


def test_status_tells_what_the_command_tells(chat, join):
    ada = join("status", "ada")
    client, pid = status_client(chat)
    with client:
        for _ in range(2):  # and again, unasked
            status = json.loads(client.receive_message()[1])
            own = {p["name"]: p["children"] for p in status["pools"]}
            assert own["status"][0]["pid"] == pid
            assert ada.pid in [c["pid"] for c in own["chat"]]
        assert status.keys() == probes.status(chat).keys()
        client.send_text("nobody reads this")
        client.send_close()
        assert client.wait_close().code == 1000


def test_status_says_so_when_there_is_no_gateway(chat):
    client, _ = status_client(chat, "/lost")
    with client:
        message = json.loads(client.receive_message()[1])
        assert message["what"] == "error"
        assert "does not answer" in message["text"], message


@pytest.mark.parametrize("program, arguments", [("chat", ["--dmeo"]), ("status", ["a", "b"])])
def test_a_wrong_argument_shows_the_usage(program, arguments):
    done = subprocess.run([BIN_DIR / f"baton-{program}", *arguments], capture_output=True,
                          text=True, timeout=raw.TIMEOUT_SECS, check=False)
    assert done.returncode == 2 and "usage: baton-" in done.stderr
    alone = subprocess.run([BIN_DIR / f"baton-{program}"], capture_output=True, text=True,
                           timeout=raw.TIMEOUT_SECS, check=False)
    assert alone.returncode == 2 and "baton serve" in alone.stderr
