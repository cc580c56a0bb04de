# SPDX-License-Identifier: MIT
"""Routes with auth = "POOL": who is let in with what, who is kept out and told why, and that nobody
comes in when those who are to be asked are dead, stopped, silent, full or mad."""

import base64
import json
import os
import signal
import socket
import struct
import sys
import time
from urllib.parse import quote

import pytest

import raw
import wsclient
from gateway import REPOSITORY, Gateway, process_info, run_baton
from probes import (PATIENT, Client, Stopped, answers, children, opened, pids, status,
                    wait_connections, wait_ready, wait_until)

SUPPORT = REPOSITORY / "tests" / "support"
LONG = 'queue_timeout = "20s"  handover_timeout = "20s"'
ENDS_SOON = 'drain_timeout = "200ms"  stop_timeout = "300ms"'


def config(auth="", app="", route="", auth_children=2, app_children=2):
    """The route /fault, whose children tell what they were told, and the auth pool before it."""
    command = f'command = {{"{sys.executable}", "-B", "{SUPPORT}/%s"}}  {ENDS_SOON}'
    return f"""
pool "who" {{ kind = "auth"  {command % "auth_child.py"}  children = {auth_children}  {auth} }}
pool "app" {{ {command % "http_child.py"}  children = {app_children}  {app} }}
route "/fault" {{ pool = "app"  auth = "who"  http = true  {route} }}
route "/open"  {{ pool = "app"  http = true }}
"""


def who(gateway):
    return next(p for p in status(gateway)["pools"] if p["name"] == "who")


def plain(query, path="/fault", method="GET", fields="", body=b""):
    return (f"{method} {path}?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode() +
            body)


class Plain(raw.Connection):
    """A plain request, whose answer can wait."""

    def __init__(self, gateway, query, **how):
        super().__init__(gateway.address())
        self.send(plain(query, **how))

    def told(self):
        with self:  # the child lingers until we close
            response = self.read_response()
        assert response.status == 200, response
        return json.loads(response.body)


def ask(gateway, query, **how):
    """What the route's child was told of a request that was let in."""
    return Plain(gateway, query, **how).told()


def refused(gateway, client, reason):
    """The answer to one who was kept out, and that the log knows why."""
    response = client.read_response()
    assert response.raw.count(b"HTTP/1.1 ") == 1, response.raw
    event = gateway.wait_event("refuse", client=client.client)
    assert (event["reason"], event["status"]) == (reason, str(response.status))
    return response


def once(gateway, what):
    return f"{what}&once={gateway.directory}/{what}"


def keep(gateway, query="keep"):
    """A client whose question a child has read and does not answer."""
    mark = gateway.mark()
    client = Client(gateway, f"/fault?{query}")
    gateway.wait_event("child-log", since=mark, pool="who", text="kept")
    return client


def crash(client):
    """Gone with a reset, as when a process dies with unread bytes."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.fixture(scope="module", autouse=True)
def failing():
    """One whose auth children exit at once; that counts as failed some seconds later."""
    broken = 'pool "who" { kind = "auth"  command = {"false"}  children = 1  queue_timeout = "20s" }'
    pool = 'pool "app" { command = {"baton-echo"} }  route "/fault" { pool = "app"  auth = "who" }'
    with Gateway(f"{broken}\n{pool}", wait_ready=False) as gateway:
        gateway.wait_event("listening")
        gateway.addresses = [gateway.events("listening")[0]["address"]]
        gateway.waiting = raw.Connection(gateway.address())
        gateway.waiting.send(raw.upgrade_head("/fault"))
        yield gateway


@pytest.fixture(scope="module")
def shared():
    with Gateway(config(LONG)) as gateway:
        yield gateway


# -- let in ------------------------------------------------------------------------------------


def test_allowed_request_brings_what_was_granted(shared):
    told = ask(shared, "user=ann")
    assert (told["REMOTE_USER"], told["AUTH_TYPE"]) == ("ann", "test")


def test_question_tells_what_the_route_s_child_is_told_and_has_no_socket(shared):
    told = ask(shared, "user=ann", path="/fault/a%20b", fields="X-Token: secret\r\n")
    seen = json.loads(base64.b64decode(told.pop("AUTH_SEEN")))
    assert seen.pop("SOCKETS") == 0
    for key in ("REMOTE_USER", "AUTH_TYPE", "PID", "BODY"):
        told.pop(key)
    assert seen == told
    assert "X-Token: secret\r\n" in seen["HEAD"] and seen["PATH_INFO"] == "/a%20b"


def test_allowed_upgrade_brings_its_early_frames_and_what_was_granted(shared):
    payload = os.urandom(64 * 1024)
    early = wsclient.frame_bytes(wsclient.BINARY, payload)
    client = Client(shared, "/fault?tell&user=bob", early=early).websocket()
    opcode, told = client.receive_message()
    assert (opcode, json.loads(told)["REMOTE_USER"]) == (wsclient.TEXT, "bob")
    assert client.receive_message() == (wsclient.BINARY, payload)
    client.close()


@pytest.mark.parametrize("size", [1, 60000, 1 << 20])
def test_body_of_an_allowed_request_is_whole(shared, size):
    body = os.urandom(size)
    told = ask(shared, "user=ann", method="POST", fields=f"Content-Length: {size}\r\n", body=body)
    assert base64.b64decode(told["BODY"]) == body


def test_allowed_without_pairs_brings_none(shared):
    assert not [key for key in ask(shared, "") if key.startswith(("AUTH_", "REMOTE_USER"))]


def test_client_cannot_grant_itself_anything(shared):
    fields = "Remote-User: root\r\nRemote_User: root\r\nAuth-Type: none\r\n"
    assert "REMOTE_USER" not in ask(shared, "", fields=fields)
    assert ask(shared, "user=ann", fields=fields)["REMOTE_USER"] == "ann"


def test_largest_grant_arrives(shared):
    assert len(ask(shared, "size=4096")["AUTH_X"]) == 4096 - len("AUTH_X=") - 1


def test_affinity_holds_behind_auth(serve):
    gateway = serve(config(route='hash = "query:room"', app_children=4))
    homes = {room: ask(gateway, f"user=a&room={room}")["PID"] for room in range(12)}
    assert len(set(homes.values())) > 1
    for room, home in homes.items():
        assert ask(gateway, f"user=b&room={room}")["PID"] == home


# -- nobody is asked ---------------------------------------------------------------------------


def test_who_needs_no_leave_is_not_asked_about(shared):
    before = who(shared)["asked"]
    assert raw.get(shared.address(), "/healthz").status == 200
    ask(shared, "", path="/open")
    assert raw.request(shared.address(), raw.upgrade_head(
        "/fault?user=ann", fields=["Origin: https://evil.test"])).status == 403
    assert raw.get(shared.address(), "/nothing").status == 404
    assert who(shared)["asked"] == before


def test_check_names_the_pool_that_is_asked(shared):
    result = run_baton("check", "-c", shared.directory / "baton.conf", "--route", "ws://a/fault")
    assert (result.returncode, result.stderr) == (0, "")
    assert 'a child of pool "app", if pool "who" says yes' in result.stdout
    assert result.stdout.count("capacity") == 1  # of "app": "who" holds no connections


# -- kept out ----------------------------------------------------------------------------------


def test_denied_client_hears_status_reason_and_challenge(shared):
    query = f"deny=401&reason={quote('no token')}&challenge={quote('Bearer realm=a')}"
    client = Client(shared, f"/fault?{query}")
    response = refused(shared, client, "auth")
    assert (response.status, response.reason) == (401, "Unauthorized")
    assert response.headers["www-authenticate"] == "Bearer realm=a"
    assert response.headers["connection"] == "close"
    assert response.body == b"401 no token\n"
    assert shared.wait_event("refuse", client=client.client)["text"] == "no token"


def test_denied_plain_request_hears_the_same(shared):
    response = raw.request(shared.address(), plain("deny=403&reason=because"))
    assert (response.status, response.body) == (403, b"403 because\n")
    assert "www-authenticate" not in response.headers


def test_denied_head_request_gets_no_body(shared):
    response = raw.request(shared.address(), plain("deny=403", method="HEAD"))
    assert (response.status, response.body) == (403, b"")


def test_denied_client_may_send_a_body_and_reads_the_answer(shared):
    size = 1 << 20
    with Plain(shared, "deny=413", method="POST", fields=f"Content-Length: {size}\r\n",
               body=bytes(1000)) as client:
        assert client.read_response().status == 413


def test_denial_is_not_taken_for_a_head(shared):
    response = raw.request(shared.address(), plain(f"deny=403&reason={quote('a' + chr(10) + 'b')}"))
    assert response.body == b"403 a?b\n"


def test_status_counts_the_answers(serve):
    gateway = serve(config())
    for query in ("user=a", "user=b", "deny=403"):
        raw.request(gateway.address(), plain(query))
    pool = who(gateway)
    assert (pool["kind"], pool["asked"], pool["allowed"], pool["denied"]) == ("auth", 3, 2, 1)
    assert sum(child["taken"] for child in pool["children"]) == 3
    assert status(gateway)["refusals"] == {"auth": 1}
    text = gateway.command("status").stdout
    assert "3 asked, 2 allowed, 1 denied" in text and "questions" in text


# -- children that die, stand still or are mad -------------------------------------------------


def test_question_of_a_child_that_dies_is_put_to_another(serve):
    gateway = serve(config())
    client = Client(gateway, f"/fault?{once(gateway, 'die')}")
    client.websocket().echo("let in by the other one")
    gateway.wait_event("child-exit", pool="who")


def test_kept_question_of_a_killed_child_is_put_to_another(serve):
    gateway = serve(config(LONG))
    client = keep(gateway, once(gateway, "keep"))
    keeper = next(c for c in children(gateway, "who") if c["offered"] == 1)
    os.kill(keeper["pid"], signal.SIGKILL)
    client.websocket().echo("let in by the other one")


def test_answers_that_a_child_gave_before_it_exited_count(serve):
    gateway = serve(config(LONG, app=PATIENT, auth_children=1))
    kept = [keep(gateway, f"keep&number={number}") for number in range(8)]
    child = pids(gateway, "who")[0]
    last = Client(gateway, "/fault?release&exit")
    wait_until(lambda: process_info(child)[2] == "Z", "the auth child's exit")
    os.kill(gateway.pid, signal.SIGCONT)
    assert answers([*kept, last], 10) == [101] * 9
    gateway.wait_event("child-exit", pool="who", status=0)
    assert status(gateway)["connections"]["dealt_again"] == 0


def test_question_that_kills_child_after_child_is_answered_with_503(serve):
    gateway = serve(config(auth_children=3))
    response = refused(gateway, Client(gateway, "/fault?die"), "auth-down")
    assert (response.status, "retry-after" in response.headers) == (503, True)
    assert len(gateway.wait_events("child-exit", 3, pool="who")) == 3
    wait_ready(gateway, 3, "who")


def test_stopped_auth_child_delays_questions_and_loses_none(serve):
    gateway = serve(config())
    with Stopped(pids(gateway, "who")[0]):
        clients = [Client(gateway, f"/fault?user={i}") for i in range(50)]
        assert answers(clients, 10) == [101] * 50
    assert status(gateway)["connections"]["taken_back"] >= 1
    assert not gateway.events("child-exit")


def test_question_that_is_never_answered_is_503_at_the_deadline_and_the_child_lives(serve):
    gateway = serve(config('handover_timeout = "1s"  ping_timeout = "200ms"', auth_children=1))
    before = pids(gateway, "who")
    began = time.monotonic()
    response = refused(gateway, Client(gateway, "/fault?keep"), "auth-busy")
    assert 0.99 <= time.monotonic() - began < 4
    assert (response.status, "retry-after" in response.headers) == (503, True)
    assert ask(gateway, "release&user=ann")["REMOTE_USER"] == "ann"  # the next one is answered
    ask(gateway, "release")                                          # and the late answer: ignored
    wait_until(lambda: who(gateway)["ignored"] == 1, "the late answer")
    assert pids(gateway, "who") == before and not gateway.events("child-broken")


def test_stopped_auth_pool_answers_503_at_the_deadline(serve):
    gateway = serve(config('handover_timeout = "1s"', auth_children=1))
    with Stopped(pids(gateway, "who")[0]):
        assert refused(gateway, Client(gateway), "auth-busy").status == 503
    Client(gateway).websocket().echo("let in again")


NONSENSE = [("foreign-key", "REMOTE_USER"), ("too-much", "4096"), ("no-pairs", "pairs"),
            ("deny-200", "STATUS"), ("two-lines", "CHALLENGE"), ("taken", "kind"),
            ("refused", "kind"), ("closed", "kind")]


@pytest.mark.parametrize("name, word", NONSENSE, ids=[row[0] for row in NONSENSE])
def test_nonsense_costs_that_child_its_life_and_the_client_nothing(shared, name, word):
    wait_ready(shared, 2, "who")
    ask(shared, "")  # a run that has served somebody is a good one: the next begins at once
    mark = shared.mark()
    Client(shared, f"/fault?{once(shared, name)}").websocket().echo("let in by the other one")
    broken = shared.wait_event("child-broken", since=mark)
    assert word in broken["reason"] and broken["pool"] == "who", broken
    shared.wait_event("child-exit", since=mark, pid=broken["pid"])
    wait_ready(shared, 2, "who")


def test_answer_behind_nonsense_does_not_count(shared):
    """The first child says nonsense and then who it is; the other one, which is asked next, nobody."""
    wait_ready(shared, 2, "who")
    ask(shared, "")
    query = f"{once(shared, 'foreign-key')}-and-user&user=mallory"
    assert "REMOTE_USER" not in ask(shared, query)
    wait_ready(shared, 2, "who")


def test_auth_child_that_no_gateway_asks_is_told_of_it(start):
    """The example's own check, and that a pool is of kind socket unless it says otherwise."""
    gateway = start(config().replace('kind = "auth"', "").replace('auth = "who"', ""),
                    wait_ready=False)
    assert "not of kind auth" in gateway.wait_event("child-output", pool="who")["text"]


# -- clients that leave ------------------------------------------------------------------------


@pytest.mark.parametrize("leave", [crash, raw.Connection.close], ids=["reset", "end"])
def test_client_that_leaves_while_it_is_asked_about_leaves_nothing(serve, leave):
    gateway = serve(config(LONG, auth_children=1))
    client = keep(gateway)
    leave(client)
    ask(gateway, "release&x")
    wait_connections(gateway, open=0, admitting=0, handed_over=2)  # its child finds it gone
    assert not gateway.events("refuse") and who(gateway)["allowed"] == 2
    assert {child["capacity"] for child in children(gateway, "who")} == {64}


def test_gateway_that_drains_refuses_who_is_asked_about(start):
    gateway = start(config(LONG, auth_children=1))
    client = keep(gateway)
    gateway.stop()
    assert client.refusal().status == 503
    assert gateway.events("refuse", client=client.client)[0]["reason"] == "stopping"


# -- queues ------------------------------------------------------------------------------------


def test_questions_beyond_capacity_wait_and_those_beyond_the_queue_are_refused(serve):
    gateway = serve(config('capacity = 1  queue = 1  queue_timeout = "1s"  '
                           'handover_timeout = "4s"', auth_children=1))
    kept = keep(gateway)
    began = time.monotonic()
    waiting = Client(gateway)
    wait_connections(gateway, waiting=1)
    assert refused(gateway, Client(gateway), "auth-busy").status == 503
    assert time.monotonic() - began < 1
    assert refused(gateway, waiting, "auth-busy").status == 503
    assert 0.99 <= time.monotonic() - began < 3.5
    assert kept.buffer == b""


def test_client_that_leaves_while_it_waits_to_be_asked_about_is_noticed(serve):
    gateway = serve(config('capacity = 1  handover_timeout = "2s"', auth_children=1))
    keep(gateway)
    waiting = Client(gateway)
    wait_connections(gateway, waiting=1)
    waiting.close()
    wait_connections(gateway, waiting=0, left=1, admitting=1)


def test_allowed_client_waits_for_room_and_keeps_its_grant(serve):
    gateway = serve(config(app=f"capacity = 1  {LONG}", auth_children=1, app_children=1))
    with Client(gateway).websocket() as holder:
        holder.echo("the only place")
        clients = [Plain(gateway, f"user=u{i}") for i in range(300)]  # more than hold a message
        wait_connections(gateway, waiting=300)
        assert all(client.buffer == b"" for client in clients)
        holder.close()
    assert [client.told()["REMOTE_USER"] for client in clients] == [f"u{i}" for i in range(300)]


def test_allowed_clients_that_leave_the_queue_leave_nothing(serve):
    gateway = serve(config(app=f"capacity = 1  {LONG}", app_children=1))
    holder = Client(gateway)
    assert answers([holder]) == [101]
    waiting = [Client(gateway, f"/fault?user={i}") for i in range(20)]
    wait_connections(gateway, waiting=20)
    for client in waiting:
        client.close()
    wait_connections(gateway, waiting=0, left=20)


def test_allowed_client_hears_of_the_route_s_own_want(serve):
    gateway = serve(config(app="capacity = 1  queue = 0", app_children=1))
    holder = Client(gateway)
    assert answers([holder]) == [101]
    assert refused(gateway, Client(gateway), "queue-full").status == 503


def test_many_at_once_are_each_let_in_as_themselves(serve):
    gateway = serve(config(LONG))
    clients = [Client(gateway, f"/fault?tell&user=u{i}") for i in range(200)]
    for number, client in enumerate(clients):
        told = json.loads(client.websocket().receive_message()[1])
        assert told["REMOTE_USER"] == f"u{number}"
    assert who(gateway)["allowed"] == 200


# -- the pool that fails: it has been at it since the beginning of this file -------------------


def test_auth_pool_that_fails_lets_nobody_in_and_says_so_at_once(failing):
    failing.wait_event("pool-failed", timeout=30)
    assert refused(failing, failing.waiting, "auth-down").status == 503
    began = time.monotonic()
    for _ in range(10):
        assert refused(failing, Client(failing), "auth-down").status == 503
    assert time.monotonic() - began < 1
    assert status(failing)["connections"]["handed_over"] == 0
