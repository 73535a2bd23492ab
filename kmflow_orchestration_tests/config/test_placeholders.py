"""Row C6, basic list: what a template left behind is told from real values."""

from __future__ import annotations

import pytest

from kmflow_orchestration.config.placeholders import is_placeholder, is_placeholder_host


@pytest.mark.parametrize(
    "text",
    [
        "your-token", "YOUR_WAREHOUSE", "'changeme'", "change-me", "<token>", "dapi***", "dapi…",
        "${TOKEN}", "%TOKEN%", "{{ token }}", "xxxx", "abc123", " None ", "TODO", "my placeholder",
    ],
)  # fmt: skip
def test_a_template_value_is_recognised(text):
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text", ["", "main", "none_of_these", "0123abc1234", "tokens", "replacement"]
)
def test_a_real_value_passes(text):
    assert not is_placeholder(text)


@pytest.mark.parametrize(
    "host", ["your-workspace.cloud.databricks.com", "a.example.com", "adb-xxx"]
)
def test_a_template_host_is_recognised(host):
    assert is_placeholder_host(host)


def test_a_real_host_may_contain_such_a_word():
    assert not is_placeholder_host("example-corp.cloud.databricks.com")
