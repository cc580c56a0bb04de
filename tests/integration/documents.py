# SPDX-License-Identifier: MIT
"""The documents of this repository, as tests read them: fenced blocks, inline code, links."""

import re
from dataclasses import dataclass
from pathlib import Path

from gateway import REPOSITORY

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


@dataclass
class Block:
    path: Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.path.name}:{self.line}"


def blocks(path):
    text = path.read_text(encoding="utf-8")
    return [Block(path, text.count("\n", 0, found.start()) + 2, found[1], found[2])
            for found in FENCE.finditer(text)]


def prose(path):
    """The text without its fenced blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def inline_code(path):
    """Code between single backticks, its line ends as spaces."""
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(path))]


def links(path):
    return re.findall(r"\[[^\]]+\]\(([^)\s]+)\)", prose(path))


def anchors(path):
    """What #... may say in a link to it: each heading in lower case, with hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table_rows(path):
    """The cells of every row of every table."""
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in prose(path).splitlines() if line.startswith("|")]


def programs(path):
    """{name: source} of the whole C programs, named by the comment in their first line."""
    found = {}
    for block in blocks(path):
        if block.language == "c" and re.search(r"^int main\(", block.text, re.MULTILINE):
            name = re.match(r"/\* (\w+)\.c: ", block.text)
            found[name[1] if name else f"line{block.line}"] = block.text
    return found
