"""Row C6: what a template left behind is told from real values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.config.placeholders import (
    is_placeholder,
    is_placeholder_host,
    is_placeholder_secret,
)


@pytest.mark.parametrize(
    "text",
    [
        "your-token", "YOUR_WAREHOUSE", "'changeme'", "change-me", "<token>", "dapi***", "dapi…",
        "${TOKEN}", "%TOKEN%", "{{ token }}", "xxxx", "abc123", " None ", "TODO", "my placeholder",
        "adb-xxxx", "aaaa", "dapiXXXX", "/sql/1.0/warehouses/your-warehouse-id", "x" * 40,
        "example", "replace", "insert", "dummy", "null",
    ],
)  # fmt: skip
def test_a_template_value_is_recognised(text):
    assert is_placeholder(text)
    assert is_placeholder_secret(text)


@pytest.mark.parametrize(
    "text",
    ["", "main", "none_of_these", "0123abc1234", "tokens", "replacement", "test", "aaab", "xxx-1"],
)
def test_a_real_value_passes(text):
    assert not is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        "dapi", "dapi1234567890abcdef", "dapi00000000000000000000000000000000", "token", "test",
        "test-token", "my_secret", "insert token here", "replace-me", "<client id>", "access-token",
    ],
)  # fmt: skip
def test_a_secret_of_a_template_is_recognised(text):
    assert is_placeholder_secret(text)


@given(st.text("0123456789abcdef", min_size=32, max_size=32).filter(lambda text: len({*text}) > 6))
def test_a_personal_token_is_hardly_ever_taken_for_one(digits):
    assert not is_placeholder_secret(f"dapi{digits}") or len({*digits[:-8]}) < 6


@pytest.mark.parametrize("text", ["token-acme-1", "kmflow-test-5f3a", "4f9d-8a7b-aaaa0-11"])
def test_a_real_secret_may_contain_such_a_word(text):
    assert not is_placeholder_secret(text)


@pytest.mark.parametrize(
    "host",
    [
        "your-workspace.cloud.databricks.com", "a.example.com", "adb-xxx",
        "adb-xxx.7.azuredatabricks.net", "example.cloud.databricks.com", "<host>",
        "xxxx.cloud.databricks.com",
    ],
)  # fmt: skip
def test_a_template_host_is_recognised(host):
    assert is_placeholder_host(host)


@pytest.mark.parametrize(
    "host", ["example-corp.cloud.databricks.com", "adb-1.7.azuredatabricks.net", "127.0.0.1:8080"]
)
def test_a_real_host_may_contain_such_a_word(host):
    assert not is_placeholder_host(host)
