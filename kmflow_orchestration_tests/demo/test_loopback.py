"""A demo behind a company's proxy: its own addresses are reached without it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.demo.loopback import past_proxies
from kmflow_orchestration.demo.sandbox import Sandbox


@pytest.mark.parametrize(
    ("before", "within"),
    [
        ({}, {"NO_PROXY": "127.0.0.1,localhost"}),
        ({"NO_PROXY": "corp.test"}, {"NO_PROXY": "corp.test,127.0.0.1,localhost"}),
        ({"no_proxy": "localhost, .test"}, {"no_proxy": "localhost,.test,127.0.0.1"}),
        (
            {"no_proxy": "a.test", "NO_PROXY": "*"},
            {"no_proxy": "a.test,127.0.0.1,localhost", "NO_PROXY": "*"},
        ),
        ({"NO_PROXY": ""}, {"NO_PROXY": "127.0.0.1,localhost"}),
    ],
)
def test_this_machine_is_added_to_what_goes_past_proxies(
    before: dict[str, str], within: dict[str, str]
) -> None:
    environment = dict(before)
    with past_proxies(environment):
        assert environment == within
    assert environment == before


def test_a_demo_reaches_its_own_workspace_though_proxies_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, nobody)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    with Sandbox(Home.at(tmp_path / "home"), "databricks") as sandbox:
        group = sandbox.groups[0]
        found = sandbox.context.check_connection(
            sandbox.context.group_configs.active(group), attempts=1
        )

    # Nothing is provisioned yet, but the workspace was asked.
    assert [step.name for step in found.steps][-1] == "schema"
