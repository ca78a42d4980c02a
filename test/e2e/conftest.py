# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests. Each test has its own server, directories and socket."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(1, str(pathlib.Path(__file__).parents[1]))      # receivers
from harness.server import Server  # noqa: E402


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, f"report_{report.when}", report)


@pytest.fixture
def make_server(request):
    """Make any number of servers; at the end each must leave nothing behind."""
    made = []

    def make():
        made.append(Server())
        return made[-1]

    yield make
    failed = getattr(request.node, "report_call", None) is None or request.node.report_call.failed
    problems = []
    for server in reversed(made):
        problems += server.clean_up()
        if failed or problems:
            print(f"--- what the server in {server.dir} said:\n{server.diagnostics()}")
        server.remove()
    assert not problems, "\n".join(problems)


@pytest.fixture
def server(make_server):
    """A server that is not started yet: add services, then server.start()."""
    return make_server()
