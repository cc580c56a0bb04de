# SPDX-License-Identifier: MIT
"""What all integration tests share."""

import ctypes
import resource

import pytest

import probes
import raw
from gateway import BATON, ECHO, Gateway

PR_SET_CHILD_SUBREAPER = 36


def pytest_configure(config):
    if not BATON.is_file():
        pytest.exit(f"{BATON} is not there: ./dev build first, or set BATON_BIN_DIR", 2)
    # Orphans of a gateway become ours: Gateway.stop finds them instead of losing them to init.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        pytest.exit("prctl(PR_SET_CHILD_SUBREAPER) failed", 2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test shows the logs of the gateways that run or ran in it."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for gateway in Gateway.running + Gateway.ended:
            report.sections.append((f"log of gateway {gateway.pid}", gateway.log()))


@pytest.fixture(autouse=True)
def no_gateway_is_left():
    """Gateways of a test that forgot or failed to stop them; shared ones stay."""
    before = list(Gateway.running)
    Gateway.ended.clear()
    yield
    for gateway in [g for g in Gateway.running if g not in before]:
        gateway.abandon()


@pytest.fixture
def start():
    """start(config, ...) gives a Gateway that is stopped, with all checks, after the test."""
    mine = []

    def start_gateway(*args, **kwargs):
        mine.append(Gateway(*args, **kwargs))
        return mine[-1]

    yield start_gateway
    for gateway in mine:
        if gateway in Gateway.running:
            gateway.stop()


def all_ready(gateway):
    states = {c["state"] for p in probes.status(gateway)["pools"] for c in p["children"]}
    return states == {"ready"}


@pytest.fixture
def serve(start):
    """As start, for tests of faults: when all clients have gone and all children are up again, the
    gateway holds as many descriptors as at first."""
    mine = []

    def serve_gateway(*args, **kwargs):
        gateway = start(*args, **kwargs)
        probes.wait_until(lambda: all_ready(gateway), "all children ready")
        mine.append((gateway, sorted(probes.descriptors(gateway.pid).values())))
        return gateway

    yield serve_gateway
    probes.close_all()
    for gateway, before in mine:
        if gateway.process.poll() is None:
            probes.wait_until(lambda g=gateway: all_ready(g), "all children ready again")
            probes.wait_until(
                lambda g=gateway, b=before: len(probes.descriptors(g.pid)) == len(b),
                f"{len(before)} descriptors, as at first; now\n"
                f"{sorted(probes.descriptors(gateway.pid).values())}\n{before}", timeout=5)


@pytest.fixture(scope="module")
def echo():
    """One gateway with the echo pool for all tests of a file; its log goes on from test to test."""
    limits = ECHO.replace("children = 2", 'children = 2  message_limit = "4M"  send_limit = "8M"')
    with Gateway(limits) as gateway:
        yield gateway


@pytest.fixture
def many_files():
    """As many descriptors for the test and for what it starts as the system allows."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)


@pytest.fixture
def barrier():
    """barrier(gateway) returns when the gateway has seen all that was sent before: it has one
    thread, and it has answered a request that came later."""
    def wait(gateway):
        assert raw.get(gateway.address(), "/healthz").status == 200
    return wait
