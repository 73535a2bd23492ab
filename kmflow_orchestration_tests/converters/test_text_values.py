from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.converters.text_values import observed_type, typed_values, widened
from kmflow_orchestration.converters.type_lattice import EMPTY, join


def texts(*values: str | None) -> pa.StringArray:
    return pa.array(values, pa.string())


@pytest.mark.parametrize(
    ("values", "sql"),
    [
        (["1", "-20", "0"], "BIGINT"),
        (["9223372036854775807"], "BIGINT"),
        (["9223372036854775808"], "DECIMAL(38,0)"),
        (["1" * 38], "DECIMAL(38,0)"),
        (["1" * 39], "STRING"),
        (["007", "8"], "STRING"),
        (["+5"], "STRING"),
        (["-0"], "STRING"),
        ([" 5"], "STRING"),
        (["1,5"], "STRING"),
        (["1.50", "-0.25", ".5", "7"], "DECIMAL(18,2)"),
        (["1e5", "2.5E-3", "7"], "DOUBLE"),
        (["1e400"], "STRING"),
        (["1e-400"], "STRING"),
        (["1.2345678901234567e3"], "STRING"),
        (["nan", "1"], "STRING"),
        (["N/A", "1"], "STRING"),
        (["true", "FALSE", "True"], "BOOLEAN"),
        (["true", "yes"], "STRING"),
        (["true", "1"], "STRING"),
        (["2026-11-20", "0001-01-01"], "DATE"),
        (["2026-02-30"], "STRING"),
        (["20.11.2026"], "STRING"),
        (["11/20/2026"], "STRING"),
        (["2026-11-20 10:00", "2026-11-20T10:00:00.123456"], "TIMESTAMP"),
        (["2026-11-20T10:00:00Z", "2026-11-20T10:00:00+05:30"], "TIMESTAMP"),
        (["2026-11-20T10:00:00Z", "2026-11-20T10:00:00"], "STRING"),
        (["2026-11-20T10:00:00.123456700"], "STRING"),
        (["2026-11-20T10:00:00.123456000"], "TIMESTAMP"),
        (["2026-11-20T24:00:00"], "STRING"),
        (["10:00:00"], "STRING"),
        ([None, None], "STRING"),
        (["", "1"], "STRING"),
        (["1" * 4, "x"], "STRING"),
    ],
)
def test_a_column_gets_the_narrowest_type_that_holds_it(values: list[str], sql: str) -> None:
    assert observed_type(texts(*values)).sql == sql


def test_a_misfit_in_the_last_row_is_seen() -> None:
    assert observed_type(texts(*["1"] * 5000, "x")).sql == "STRING"


written_decimals = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4
).filter(lambda value: value == 0 or not value.is_zero())


@given(st.lists(st.integers(-(10**37), 10**37), min_size=1))
def test_integers_keep_their_value(values: list[int]) -> None:
    column = texts(*map(str, values))

    assert [int(x) for x in typed_values(column, observed_type(column)).to_pylist()] == values


@given(st.lists(written_decimals, min_size=1))
def test_decimals_keep_their_value(values: list[Decimal]) -> None:
    column = texts(*(f"{value:f}" for value in values))

    assert typed_values(column, observed_type(column)).to_pylist() == values


@given(st.lists(st.floats(1e-3, 1e12).map(lambda x: float(f"{x:.12e}")), min_size=1))
def test_doubles_keep_their_value(values: list[float]) -> None:
    column = texts(*(f"{value:.12e}" for value in values))
    found = observed_type(column)

    assert found.sql == "DOUBLE"
    assert typed_values(column, found).to_pylist() == values


@given(
    st.lists(
        st.dates()
        | st.datetimes(datetime.fromisoformat("0003-01-01"), datetime.fromisoformat("9997-01-01")),
        min_size=1,
    )
)
def test_dates_and_times_keep_their_value(values: list[date]) -> None:
    column = texts(*(value.isoformat() for value in values))
    found = typed_values(column, observed_type(column)).to_pylist()

    if all(not isinstance(value, datetime) for value in values):
        assert found == values
    elif not isinstance(found[0], str):
        moments = [
            value if isinstance(value, datetime) else datetime.combine(value, time.min)
            for value in values
        ]
        assert [value.replace(tzinfo=None) for value in found] == moments


@given(
    st.lists(
        st.datetimes(
            datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2100-01-01")
        ).map(lambda moment: moment.replace(tzinfo=UTC)),
        min_size=1,
    ),
    st.integers(-14, 14),
)
def test_zones_are_turned_into_utc(values: list[datetime], hours: int) -> None:
    shift = timedelta(hours=hours)
    sign = "-" if hours < 0 else "+"
    written = [(value + shift).replace(tzinfo=None).isoformat() for value in values]
    column = texts(*(f"{text}{sign}{abs(hours):02d}:00" for text in written))

    assert typed_values(column, observed_type(column)).to_pylist() == values


@given(st.lists(st.text(), min_size=1))
def test_text_of_any_kind_is_never_changed(values: list[str]) -> None:
    clean = [value.encode("utf-8", "ignore").decode() for value in values]
    column = texts(*clean)
    found = observed_type(column)

    if found.sql == "STRING":
        assert typed_values(column, found).to_pylist() == clean


words = st.sampled_from(
    ["1", "-5", "1.50", "3e5", "true", "2026-11-20", "2026-11-20 10:00", "x", None]
)


@given(st.lists(words), st.lists(words))
def test_two_columns_join_like_one_with_all_their_values(left: list[str], right: list[str]) -> None:
    both = observed_type(texts(*left, *right))

    assert join(observed_type(texts(*left)), observed_type(texts(*right))) == both
    assert observed_type(texts(*right), observed_type(texts(*left), EMPTY)) == both


@given(st.lists(st.integers(0, 10**9), min_size=1), st.integers(0, 4))
def test_typed_values_widen_exactly(values: list[int], scale: int) -> None:
    column = pa.array(values, pa.int64())

    assert widened(column, pa.decimal128(18, scale)).to_pylist() == values
    cents = pa.array([Decimal(value).scaleb(-scale) for value in values], pa.decimal128(18, scale))
    assert widened(cents, pa.float64()).to_pylist() == [
        float(Decimal(value).scaleb(-scale)) for value in values
    ]
