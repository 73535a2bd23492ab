"""What a `Retry-After` header asks for, in all its forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.databricks_client.retry_after import retry_after_s
from kmflow_orchestration_tests.fakes import FakeClock

NOW = FakeClock().now()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Fri, 20 Nov 2026 09:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 08:59:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("9" * 400, None),
        ("Fri, 20 Nov 99999999999999999999 09:00:30 GMT", None),
        ("Fri, 20 Nov 2026 09:00:30 +9999", None),
    ],
)
def test_a_number_of_seconds_and_a_date_are_understood(header, seconds):
    assert retry_after_s(header, NOW) == seconds


@given(st.text())
def test_no_header_whatever_raises(header):
    seconds = retry_after_s(header, NOW)

    assert seconds is None or seconds >= 0
