# SPDX-License-Identifier: MIT
"""The demo page in a real browser, served as docs/demo.conf says: the scenarios of
tests/browser/demo.test.js, each with a gateway of its own."""

import os
import re
import subprocess

import pytest

import tools
from gateway import BIN_DIR, REPOSITORY, Gateway

SCRIPT = REPOSITORY / "tests" / "browser" / "demo.test.js"
SCENARIO_SECS = 120


def demo_config():
    """docs/demo.conf without its listener, with paths that hold here."""
    text = (REPOSITORY / "docs" / "demo.conf").read_text(encoding="utf-8")
    text = re.sub(r"^listen .*$", "", text, flags=re.MULTILINE)
    return (text.replace('"child/static/www"', f'"{REPOSITORY}/child/static/www"')
            .replace('{"baton-status"}', '{"baton-status", "@DIR@/control.sock"}'))


@pytest.mark.parametrize("scenario", ["chat", "owners", "block", "crash"])
def test_the_demo_page_does_what_it_says(start, scenario):
    node = tools.node_module("playwright-core")
    chromium = tools.program("chromium")
    if not (BIN_DIR / "baton-static").is_file():
        tools.missing("baton-static (libwebsockets-dev)")
    gateway = start(demo_config())
    done = subprocess.run(
        [node, SCRIPT, f"http://{gateway.addresses[0]}/", scenario],
        env=dict(os.environ, CHROMIUM=chromium), capture_output=True, text=True,
        timeout=SCENARIO_SECS, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
