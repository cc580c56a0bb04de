# SPDX-License-Identifier: MIT
"""What the documents say is true of what is here: configurations are valid, commands, files, log
events and calls exist. The programs in docs/children.md have test_children_doc.py."""

import functools
import re
import shlex
import subprocess
import sys

import pytest

import documents
from documents import DOCUMENTS
from gateway import BATON, BIN_DIR, REPOSITORY, run_baton

CHILDREN = REPOSITORY / "docs" / "children.md"
CONFIGURATION = REPOSITORY / "docs" / "configuration.md"
OPERATING = REPOSITORY / "docs" / "operating.md"
SECTIONS = ("listen", "pool", "route")
COMMAND = re.compile(r"(?:\./|build/bin/)?baton\s+(.+)")
OURS = re.compile(r"(?:src|child|docs|tests|certs)/[\w./-]+")


def is_configuration(block):
    """A whole one, as opposed to a line or two of it."""
    return block.language == "" and all(
        re.search(rf'^{section} "', block.text, re.MULTILINE) for section in SECTIONS)


CONFIGURATIONS = [b for path in DOCUMENTS for b in documents.blocks(path) if is_configuration(b)]


@pytest.fixture(scope="module", name="usage")
def usage_of_baton():
    done = run_baton("--help")
    assert done.returncode == 0
    return done.stdout


def shell_lines(path):
    """What the document tells to type: lines of its sh blocks without comments, and inline code."""
    for block in documents.blocks(path):
        if block.language == "sh":
            yield from (line.partition(" #")[0] for line in block.text.splitlines())
    yield from documents.inline_code(path)


def baton_commands(path):
    return [found[1] for line in shell_lines(path) if (found := COMMAND.fullmatch(line.strip()))]


def test_documents_have_whole_configurations():
    assert {b.path.name for b in CONFIGURATIONS} == {
        "README.md", "auth.md", "children.md", "configuration.md", "reverse-proxy.md"}


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=str)
def test_configuration_in_a_document_is_valid(block, tmp_path):
    path = tmp_path / "document.conf"
    path.write_text(block.text, encoding="utf-8")
    done = run_baton("check", "-c", path)
    assert done.returncode == 0, done.stderr


def test_configuration_of_the_demo_is_valid():
    done = run_baton("check", "-c", REPOSITORY / "docs" / "demo.conf")
    assert done.returncode == 0, done.stderr


def test_programs_of_ours_in_configurations_take_their_arguments():
    told = {tuple(re.findall(r'"([^"]*)"', words)) for b in CONFIGURATIONS for words in
            re.findall(r'command = \{("baton-(?:chat|echo|status)"[^}]*)\}', b.text)}
    assert ("baton-chat",) in told
    for program, *words in told:
        done = subprocess.run([BIN_DIR / program, *words], capture_output=True, text=True,
                              check=False)
        assert "baton serve --child" in done.stderr and "usage" not in done.stderr, program


def test_route_that_the_text_asks_for_is_explained_as_it_says(tmp_path):
    (block,) = [b for b in documents.blocks(CONFIGURATION) if b.text.startswith("$ baton check")]
    command, _, expected = block.text.partition("\n")
    example = next(b for b in CONFIGURATIONS if b.path == CONFIGURATION)
    (tmp_path / "baton.conf").write_text(example.text, encoding="utf-8")
    words = shlex.split(command.removeprefix("$ baton "))
    done = subprocess.run([BATON, *words], cwd=tmp_path, capture_output=True, text=True,
                          check=False)
    assert (done.stdout, done.returncode) == (expected, 1)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_of_baton_in_a_document_exist(path, usage):
    known = set(re.findall(r"^  baton ([a-z]+)", usage, re.MULTILINE))
    assert known
    for command in baton_commands(path):
        word, *rest = command.split()
        assert word in known or (word.startswith("--") and word in usage), f"baton {command}"
        for option in re.findall(r"(?<![\w-])--?[a-z]+", " ".join(rest)):
            assert re.search(rf"(?<![\w-]){option}\b", usage), f"baton {command}"


def test_every_command_of_baton_is_in_a_document(usage):
    told = {command.split()[0] for path in DOCUMENTS for command in baton_commands(path)}
    assert set(re.findall(r"^  baton ([a-z]+)", usage, re.MULTILINE)) <= told


def test_commands_of_dev_in_documents_exist():
    done = subprocess.run([REPOSITORY / "dev", "help"], capture_output=True, text=True, check=True)
    known = set(re.findall(r"^\./dev ([a-z]+)", done.stdout, re.MULTILINE)) | {"help"}
    told = {word for path in DOCUMENTS for word in
            re.findall(r"\./dev ([a-z]+)", path.read_text(encoding="utf-8"))}
    assert told and told <= known


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_a_document_lead_somewhere(path):
    for link in documents.links(path):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not anchor or anchor in documents.anchors(target), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_a_document_names_are_there(path):
    for code in documents.inline_code(path):
        if OURS.fullmatch(code):
            assert (REPOSITORY / code).exists(), code


@functools.cache
def gateway_sources():
    return "\n".join(file.read_text(encoding="utf-8")
                     for file in (REPOSITORY / "src").rglob("*.c"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_log_events_in_a_document_exist(path):
    for event in re.findall(r"event=([\w-]+)", path.read_text(encoding="utf-8")):
        assert f'"{event}"' in gateway_sources(), event


def explained():
    """(name, second cell) of what OPERATING has tables of: log events, reasons of refusals."""
    return [(name, row[1]) for row in documents.table_rows(OPERATING) if len(row) == 3
            for name in re.findall(r"`([^`]+)`", row[0])]


def test_every_log_event_is_explained():
    events = set(re.findall(r'\b(?:log_event|child_log)\([^";]*"([a-z-]+)"', gateway_sources()))
    assert len(events) > 25
    assert events == {name for name, level in explained() if not level.isdigit()}


def test_every_refusal_is_explained_with_its_status():
    source = (REPOSITORY / "src" / "admit" / "refusal.c").read_text(encoding="utf-8")
    refusals = {name: status for status, name in re.findall(r'\{\s*(\d+), "([a-z-]+)"', source)}
    assert refusals.pop("none") == "0" and len(refusals) > 40
    assert refusals == {name: status for name, status in explained() if status.isdigit()}


def keys_of(value):
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in keys_of(inner)}
    if isinstance(value, list):
        return {key for inner in value for key in keys_of(inner)}
    return set()


def test_every_key_and_state_of_the_status_is_explained(serve):
    auth = REPOSITORY / "tests" / "support" / "auth_child.py"
    gateway = serve(f'''
pool "a" {{ command = {{"baton-echo"}}  children = 1 }}
pool "b" {{ command = {{"{sys.executable}", "{auth}"}}  children = 1  kind = "auth" }}
route "/" {{ pool = "a"  auth = "b" }}
''')
    told = set(documents.inline_code(OPERATING))
    assert keys_of(gateway.status()) <= told
    names = (REPOSITORY / "src" / "supervise" / "child.c").read_text(encoding="utf-8")
    states = set(re.findall(r'\[CHILD_[A-Z]+\] = "([a-z]+)"', names))
    assert len(states) == 7 and states | {"suspect"} <= told


def test_calls_of_libbaton_in_documents_exist():
    headers = "".join((REPOSITORY / "child" / name).read_text(encoding="utf-8")
                      for name in ("libbaton/baton.h", "lws/baton_lws.h"))
    declared = set(re.findall(r"\b(?:baton|BATON)_\w+", headers)) | {"BATON_PROTOCOL"}
    told = {word for path in DOCUMENTS for word in
            re.findall(r"\b(?:baton|BATON)_[A-Za-z]\w*", path.read_text(encoding="utf-8"))}
    assert told - {"BATON_REQUIRE_TOOLS", "BATON_PORT"} <= declared


def test_limits_for_children_are_those_of_the_configuration():
    defaults = {row[0]: row[2] for row in documents.table_rows(CONFIGURATION) if len(row) == 4}
    text = documents.prose(CHILDREN)
    section = text[text.index("\n## Limits"):text.index("\n## How it ends")]
    rows = re.findall(r"^\| (`\w+`) \| (`[^`]+`) \|", section, re.MULTILINE)
    assert len(rows) > 10
    assert [row for row in rows if defaults.get(row[0]) != row[1]] == []
