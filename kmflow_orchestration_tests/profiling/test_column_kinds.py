from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.profiling.column_kinds import ColumnKind, kind_of

CASES = {
    "string": ("A", "STRING"),
    "varchar(20)": ("A", "VARCHAR(20)"),
    "CHAR(3)": ("A", "CHAR(3)"),
    "large_string": ("A", "STRING"),
    "object": ("A", "STRING"),
    "text": ("A", "STRING"),
    "character varying(9)": ("A", "VARCHAR(9)"),
    "tinyint": ("N", "TINYINT"),
    "int64": ("N", "BIGINT"),
    "Int32": ("N", "INT"),
    "double precision": ("N", "DOUBLE"),
    "float": ("N", "FLOAT"),
    "uint64": ("N", "DECIMAL(20,0)"),
    "decimal(12,2)": ("N", "DECIMAL(12,2)"),
    "decimal128(38, 10)": ("N", "DECIMAL(38,10)"),
    "numeric": ("N", "DECIMAL(10,0)"),
    "numeric(5)": ("N", "DECIMAL(5,0)"),
    "date": ("D", "DATE"),
    "date32[day]": ("D", "DATE"),
    "timestamp": ("D", "TIMESTAMP"),
    "timestamp_ntz": ("D", "TIMESTAMP_NTZ"),
    "timestamp[us, tz=UTC]": ("D", "TIMESTAMP"),
    "datetime64[ns]": ("D", "TIMESTAMP"),
    "timestamp(6) without time zone": ("D", "TIMESTAMP_NTZ"),
    "timestamp with time zone": ("D", "TIMESTAMP"),
    "boolean": ("B", "BOOLEAN"),
    "bool": ("B", "BOOLEAN"),
    "time64[us]": ("T", "TIME"),
    "binary": ("X", "BINARY"),
    "array<int>": ("X", "ARRAY<INT>"),
    "variant": ("X", "VARIANT"),
    "struct<a:int,b:string>": ("X", "STRUCT<A:INT,B:STRING>"),
    "map<string,int>": ("X", "MAP<STRING,INT>"),
    "interval day": ("X", "INTERVAL DAY"),
    "": ("X", ""),
}


@pytest.mark.parametrize(("name", "expected"), CASES.items())
def test_every_dialect_s_type_names_have_a_class(name, expected):
    kind = kind_of(name)

    assert (kind.general_type, kind.column_type) == expected


def test_decimals_keep_their_digits_and_texts_their_width():
    assert kind_of("decimal(12,2)") == ColumnKind("N", "DECIMAL(12,2)", precision=12, scale=2)
    assert kind_of("varchar(7)").length == 7
    assert not kind_of("decimal(12,0)").has_fractions


@given(st.text(max_size=30))
def test_any_text_has_a_class(name):
    assert kind_of(name).general_type in set("ANDBTX")
