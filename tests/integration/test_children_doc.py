# SPDX-License-Identifier: MIT
"""docs/children.md is true: each of its programs is taken out, compiled as it says against the
installed library, and does behind the real gateway what the text says."""

import os
import re
import shlex
import signal
import subprocess

import pytest

import documents
import probes
import raw
import tools
import wsclient
from gateway import REPOSITORY, TIMEOUT_SECS, Gateway
from test_install import BUILD, Installed, run

CHILDREN = REPOSITORY / "docs" / "children.md"
PROGRAMS = documents.programs(CHILDREN)
STRICT = ("-Wall", "-Wextra", "-Wshadow", "-Wvla", "-Werror")


class Author:
    """Someone who reads the text and types what it says."""

    def __init__(self, directory):
        self.directory = directory
        self.installed = Installed(directory)
        self.built = {}

    def source(self, name, text):
        path = self.directory / f"{name}.c"
        path.write_text(text, encoding="utf-8")
        return path

    def compile(self, name, text, words):
        program = self.directory / name
        run(self.installed.compiler, *self.installed.flags, *STRICT, "-o", program,
            self.source(name, text), *words, "-pthread")
        return program

    def child(self, name):
        """The program of that name, compiled by pkg-config and found without a search path."""
        if name not in self.built:
            words = self.installed.pkg_config("--cflags", "--libs", "libbaton")
            words.append(f"-Wl,-rpath,{self.installed.library.parent}")
            self.built[name] = self.compile(name, PROGRAMS[name], words)
        return self.built[name]


@pytest.fixture(scope="module", name="author")
def author_with_an_installed_copy(tmp_path_factory):
    return Author(tmp_path_factory.mktemp("author"))


def serve_child(program):
    """`baton serve --child PROGRAM`, on a free port."""
    return Gateway(args=["serve", "--child", program, "--port", "0",
                         "--control", "@DIR@/control.sock"])


def ask(server, path, *fields):
    """The answer to an upgrade request that is refused."""
    return raw.request(server.address(), raw.upgrade_head(path, fields=fields))


def next_text(client):
    opcode, payload = client.receive_message()
    assert opcode == wsclient.TEXT
    return payload.decode()


def next_line(client):
    """The next line that somebody wrote, as opposed to what the chat says."""
    while (line := next_text(client)).startswith("* "):
        pass
    return line


# -- all of them -----------------------------------------------------------------------------


def test_document_has_its_programs():
    assert list(PROGRAMS) == ["echo", "greet", "chat", "login", "door"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_child_that_is_run_by_hand_says_how_to_start_it(author, name):
    done = subprocess.run([author.child(name)], capture_output=True, text=True, check=False,
                          timeout=TIMEOUT_SECS)
    assert done.returncode == 2
    assert f"baton serve --child {author.child(name)}" in done.stderr


def test_program_in_the_readme_echoes(author):
    (text,) = documents.programs(REPOSITORY / "README.md").values()
    words = author.installed.pkg_config("--cflags", "--libs", "libbaton")
    program = author.compile("readme", text,
                             [*words, f"-Wl,-rpath,{author.installed.library.parent}"])
    with serve_child(program) as server, wsclient.WebSocket(server.address(), "/") as client:
        client.echo("hello")
        client.close()


# -- step 1 ----------------------------------------------------------------------------------


def test_echo_sends_back_what_came(author):
    with serve_child(author.child("echo")) as server:
        with wsclient.WebSocket(server.address(), "/any/path") as client:
            client.echo("hello")
            client.echo(bytes(range(256)), wsclient.BINARY)
            client.close()
        assert len(probes.status(server)["pools"][0]["children"]) == 2


def test_echo_is_built_from_the_tree_as_the_text_says(author):
    (line,) = [line for block in documents.blocks(CHILDREN) if block.language == "sh"
               for line in block.text.splitlines() if "-Ichild/libbaton" in line]
    words = shlex.split(line)
    assert words[:4] == ["cc", "-o", "my-child", "my-child.c"]
    places = {"-Ichild/libbaton": f"-I{REPOSITORY}/child/libbaton",
              "build/installed/libbaton.a": f"{BUILD}/installed/libbaton.a"}
    program = author.compile("from-tree", PROGRAMS["echo"],
                             [places.get(word, word) for word in words[4:]])
    with serve_child(program) as server, wsclient.WebSocket(server.address(), "/") as client:
        client.echo("hello")
        client.close()


# -- step 2 ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="greet")
def gateway_with_greet(author):
    with serve_child(author.child("greet")) as server:
        yield server


@pytest.mark.parametrize("query", ["", "?name=", "?names=ann", "?name=a%20b", "?name=" + 33 * "a"])
def test_greet_refuses_who_says_no_name_with_a_sentence(greet, query):
    response = ask(greet, "/" + query)
    assert response.status == 400
    assert response.body == b"Who are you? Connect to /?name=NAME\n"


def test_greet_refuses_root_with_a_status(greet):
    assert ask(greet, "/?x=1&name=root").status == 403
    assert greet.wait_event("close", code=403)["by"] == "child"


def test_greet_knows_name_address_and_count_and_closes_with_its_own_code(greet):
    with wsclient.WebSocket(greet.address(), "/?name=" + 32 * "a") as other, \
            wsclient.WebSocket(greet.address(), "/?name=ann") as client:
        assert next_text(client) == "hello ann from 127.0.0.1"
        assert next_text(other) == f"hello {32 * 'a'} from 127.0.0.1"
        for count, text in enumerate(("one", "four"), 1):
            client.send_text(text)
            assert next_text(client) == f"ann {count}: {len(text)} bytes"
        client.send_text("three")
        frame = client.wait_close()
        assert (frame.code, frame.reason) == (4000, "three are enough")
        client.send_close(4000)
        client.connection.read_eof()
        other.close()
    greet.wait_log("ann left after 3: 4000 three are enough")


def test_greet_prints_to_nobody_when_the_gateway_is_gone_and_serves_on(author):
    config = f"""
pool "greet" {{ command = {{"{author.child("greet")}"}}  children = 1 }}
route "/" {{ pool = "greet" }}
"""
    server = Gateway(config)
    with wsclient.WebSocket(server.address(), "/?name=ann") as ann, \
            wsclient.WebSocket(server.address(), "/?name=bob") as bob:
        assert next_text(ann) == "hello ann from 127.0.0.1"
        assert next_text(bob) == "hello bob from 127.0.0.1"
        server.process.kill()
        server.process.wait()
        ann.close()
        for count in (1, 2):
            bob.send_text("x")
            assert next_text(bob) == f"bob {count}: 1 bytes"
        bob.close()
    server.stop(signal.SIGKILL)


@pytest.mark.parametrize("offered,chosen", [("greet.v1", "greet.v1"), ("x, greet.v1", "greet.v1"),
                                            ("x", None), (None, None)])
def test_greet_chooses_its_subprotocol_when_it_is_offered(greet, offered, chosen):
    fields = [f"Sec-WebSocket-Protocol: {offered}"] if offered else []
    with wsclient.WebSocket(greet.address(), "/?name=bob", fields=fields) as client:
        assert client.response.headers.get("sec-websocket-protocol") == chosen
        client.close()


# -- step 3 ----------------------------------------------------------------------------------


def config(name, program):
    """The text's configuration that starts a program of this name, but its listener."""
    (block,) = [b for b in documents.blocks(CHILDREN)
                if re.search(r"^pool ", b.text, re.MULTILINE) and f'{{"{name}"}}' in b.text]
    text = re.sub(r"^listen .*\n", "", block.text, flags=re.MULTILINE)
    return text.replace(name, str(program))


def chat_config(program):
    text = config("./my-child", program)
    assert text.count(str(program)) == 1
    return text


def enter(server, room, name):
    return wsclient.WebSocket(server.address(), f"/chat?room={room}&name={name}")


@pytest.fixture(scope="module", name="chat")
def gateway_with_chat(author):
    with Gateway(chat_config(author.child("chat"))) as server:
        probes.wait_until(lambda: len(server.events("child-ready")) == 4, "four children")
        yield server


def test_chat_refuses_who_names_no_room(chat):
    for query in ("", "?room=lobby", "?name=ann", "?room=a%62c&name=ann"):
        assert ask(chat, "/chat" + query).status == 400


@pytest.mark.parametrize("number", range(8))
def test_chat_in_one_room_meets_and_in_two_does_not(chat, number):
    with enter(chat, f"room{number}", "ann") as ann, enter(chat, f"room{number}", "bob") as bob, \
            enter(chat, f"other{number}", "eve") as eve:
        ann.send_text("hello, žluťoučký kůň")
        assert next_line(ann) == next_line(bob) == "ann: hello, žluťoučký kůň"
        eve.send_text("who is there?")
        assert next_line(eve) == "eve: who is there?"
        for client in (ann, bob, eve):
            client.close()


def test_chat_says_who_comes_who_leaves_and_how_many_there_are(chat):
    with enter(chat, "hall", "ann") as ann:
        assert re.fullmatch(r"\* \d+ people are here", next_text(ann))
        with enter(chat, "hall", "bob") as bob:
            assert next_text(ann) == "* bob comes in"
            assert re.fullmatch(r"\* \d+ people are here", next_text(ann))
            assert re.fullmatch(r"\* \d+ people are here", next_text(bob))
            bob.close()
        assert next_text(ann) == "* bob leaves"
        ann.close()


@pytest.mark.parametrize("opcode,payload,code", [
    (wsclient.TEXT, b"x" * 1001, 4001), (wsclient.BINARY, b"x", 4001),
    (wsclient.TEXT, b"x" * 4097, 1009), (wsclient.TEXT, b"\xff", 1007)])
def test_chat_closes_who_sends_what_it_does_not_want(chat, opcode, payload, code):
    with enter(chat, "bad", "eve") as eve:
        eve.send(opcode, payload)
        assert eve.wait_close().code == code
        eve.send_close(code)
        eve.connection.read_eof()


def test_chat_says_last_words_when_it_drains(author):
    with Gateway(chat_config(author.child("chat"))) as server:
        with enter(server, "lobby", "ann") as ann:
            server.process.send_signal(signal.SIGTERM)
            while not (text := next_text(ann)).startswith("* a new server"):
                pass
            assert text == "* a new server takes over within 20 s: come back"
            assert ann.wait_close().code == 1001
            ann.send_close(1001)
            ann.connection.read_eof()


def test_people_of_a_child_that_died_meet_again(author):
    with Gateway(chat_config(author.child("chat"))) as server:
        with enter(server, "lobby", "ann") as ann:
            pid = int(server.wait_event("open")["pid"])
            subprocess.run(["kill", "-KILL", str(pid)], check=True)
            while ann.connection.more():
                pass
        with enter(server, "lobby", "ann") as ann, enter(server, "lobby", "bob") as bob:
            bob.send_text("again")
            assert next_line(ann) == "bob: again"
            ann.close()
            bob.close()
        assert server.wait_event("close", pid=pid)["by"] == "child-death"


@pytest.fixture(scope="module", name="saving")
def echo_that_has_a_thread_and_saves_at_the_end(author):
    text = PROGRAMS["echo"].replace("int main(void)", """
#include <pthread.h>
#include <unistd.h>
static void *wait_for_ever(void *data)
{
	pause();
	return data;
}
int main(void)""").replace("int result = baton_run(baton);", """
	pthread_t thread;
	pthread_create(&thread, NULL, wait_for_ever, NULL);
	int result = baton_run(baton);
	sleep(1);
	fprintf(stderr, "all is saved\\n");""")
    words = author.installed.pkg_config("--cflags", "--libs", "libbaton")
    return author.compile("saving", text,
                          [*words, f"-Wl,-rpath,{author.installed.library.parent}"])


def test_main_may_save_for_longer_than_the_drain_lasts(saving, serve):
    server = serve(probes.pool(str(saving), children=1, drain="200ms", stop="1m"))
    server.process.send_signal(signal.SIGTERM)
    server.wait_log("all is saved")
    assert server.wait_event("child-exit")["status"] == "0"
    server.process.wait(TIMEOUT_SECS)


def test_sigterm_to_a_child_with_threads_says_1001(saving, serve):
    server = serve(probes.pool(str(saving), children=1))
    with wsclient.WebSocket(server.address(), "/fault") as client:
        client.echo("in")
        os.kill(probes.pids(server)[0], signal.SIGTERM)
        assert client.wait_close().code == 1001
        client.send_close(1001)
        client.connection.read_eof()
    server.wait_log("all is saved")


# -- an answer that takes time ---------------------------------------------------------------


def test_login_answers_when_the_thread_knows(author):
    with serve_child(author.child("login")) as server:
        good = ("Cookie: session=good",)
        clients = [wsclient.WebSocket(server.address(), "/", fields=good) for _ in range(20)]
        for client in clients:
            client.echo("in")
            client.close()
        assert ask(server, "/").status == 401
        assert ask(server, "/", "Cookie: session=bad").status == 401
        for _ in range(20):  # who leaves before the answer costs nothing
            with raw.Connection(server.address()) as client:
                client.send(raw.upgrade_head("/", fields=good))
        def all_are_gone():  # one that left before its turn came has no line
            counts = probes.status(server)["connections"]
            ended = counts["left"] + len(server.events("close"))
            return ended == 42 and counts["open"] == counts["admitting"] == 0
        probes.wait_until(all_are_gone, "the end of all")


# -- who may come in -------------------------------------------------------------------------


def test_door_greets_who_has_a_key_and_nobody_else(author):
    with Gateway(config("./door", author.child("door"))) as server:
        for key, greeting in (("k-4711", "hello ann, you are editor"),
                              ("k-0815", "hello bob, you are guest")):
            fields = [f"X-Api-Key: {key}", "Remote-User: eve", "Auth-Role: editor"]
            with wsclient.WebSocket(server.address(), "/", fields=fields) as client:
                assert next_text(client) == greeting
                client.close()
        for fields in ((), ("X-Api-Key: k-4712",), ("X-Api-Key: k-4711", "X-Api-Key: k-4711")):
            response = ask(server, "/", *fields)
            assert response.status == 403
            assert b"bring a key that I know, as X-Api-Key" in response.body


def test_door_opens_to_the_command_of_the_text(author):
    (line,) = [line for b in documents.blocks(CHILDREN) for line in b.text.splitlines()
               if line.startswith("websocat") and "X-Api-Key" in line]
    with Gateway(config("./door", author.child("door"))) as server:
        command = shlex.split(line.replace("127.0.0.1:8080", server.addresses[0]), comments=True)
        command[0] = tools.program("websocat")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            assert client.stdout.readline() == b"hello ann, you are editor\n"
            client.stdin.close()
            assert client.wait(TIMEOUT_SECS) == 0


def test_door_in_the_wrong_pool_lets_nobody_in(author):
    with serve_child(author.child("door")) as server:
        assert ask(server, "/", "X-Api-Key: k-4711").status == 500


# -- what else the text claims ---------------------------------------------------------------


def test_plain_request_to_a_child_of_libbaton_gets_400(author):
    config = f"""
pool "greet" {{ command = {{"{author.child("greet")}"}} }}
route "/" {{ pool = "greet"  http = true }}
"""
    with Gateway(config) as server:
        assert raw.get(server.address(), "/?name=ann").status == 400


def test_three_lines_for_libwebsockets_are_those_of_its_header():
    header = (REPOSITORY / "child" / "lws" / "baton_lws.h").read_text(encoding="utf-8")
    (block,) = [b for b in documents.blocks(CHILDREN) if "baton_lws_prepare" in b.text]
    assert len(block.text.splitlines()) == 3
    for call in re.findall(r"\b(\w+)\(", block.text):
        assert f"{call}(" in header
