# SPDX-License-Identifier: MIT
"""Real clients that a test needs. What is missing skips the test, loudly; with
BATON_REQUIRE_TOOLS=1 it fails the test."""

import importlib
import os
import shutil
from pathlib import Path

import pytest


def missing(what):
    message = f"{what} is not here (./dev tools fetches it)"
    if os.environ.get("BATON_REQUIRE_TOOLS") == "1":
        pytest.fail(message)
    pytest.skip(f"SKIPPED: {message}")


def program(name):
    """The path of a program; that of a server may lie where only root looks."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or missing(name)


def node_module(name):
    """Node, where a module is installed that NODE_PATH finds."""
    node = program("node")
    directories = os.environ.get("NODE_PATH", "").split(":")
    if not any((Path(d) / name / "package.json").is_file() for d in directories if d):
        missing(f"npm package {name}")
    return node


def python_module(name):
    """A package from PyPI, imported."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return missing(f"Python package {name}")
