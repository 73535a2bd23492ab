from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.converters.type_lattice import (
    BOOLEAN,
    DATE,
    DOUBLE,
    EMPTY,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    ColumnType,
    join,
    join_all,
    number,
)

numbers = st.builds(
    lambda before, scale, approximate: number(before, scale, approximate=approximate),
    st.integers(0, 40),
    st.integers(0, 40),
    st.booleans(),
)
types = numbers | st.sampled_from((EMPTY, BOOLEAN, DATE, TIMESTAMP, TIMESTAMP_NTZ, STRING, DOUBLE))


@given(types, types)
def test_joining_is_commutative(left: ColumnType, right: ColumnType) -> None:
    assert join(left, right) == join(right, left)


@given(types, types, types)
def test_joining_is_associative(one: ColumnType, two: ColumnType, three: ColumnType) -> None:
    assert join(join(one, two), three) == join(one, join(two, three))


@given(types, types)
def test_joining_again_changes_nothing(left: ColumnType, right: ColumnType) -> None:
    both = join(left, right)

    assert join(both, left) == join(both, right) == join(both, both) == both


@given(types)
def test_every_type_comes_back_from_its_text(kind: ColumnType) -> None:
    assert ColumnType.parse(kind.text) == kind


@given(types)
def test_every_type_has_its_arrow_form(kind: ColumnType) -> None:
    assert kind.arrow is not None


@pytest.mark.parametrize(
    ("kinds", "sql"),
    [
        ((EMPTY,), "STRING"),
        ((number(18),), "BIGINT"),
        ((number(20),), "DECIMAL(38,0)"),
        ((number(3), number(1, 2)), "DECIMAL(18,2)"),
        ((number(17), number(1, 2)), "DECIMAL(38,2)"),
        ((number(39),), "STRING"),
        ((number(30), number(0, 10)), "STRING"),
        ((number(5), number(1, 2), DOUBLE), "DOUBLE"),
        ((number(16), DOUBLE), "STRING"),
        ((DATE, TIMESTAMP), "TIMESTAMP"),
        ((DATE, TIMESTAMP_NTZ), "TIMESTAMP"),
        ((TIMESTAMP, TIMESTAMP_NTZ), "STRING"),
        ((DATE, number(3)), "STRING"),
        ((BOOLEAN, number(1)), "STRING"),
    ],
)
def test_types_join_to_the_narrowest_that_holds_both(kinds: list[ColumnType], sql: str) -> None:
    assert join_all(kinds).sql == sql


def test_a_text_that_is_no_type_is_refused() -> None:
    with pytest.raises(ValueError, match="VARCHAR"):
        ColumnType.parse("VARCHAR")
