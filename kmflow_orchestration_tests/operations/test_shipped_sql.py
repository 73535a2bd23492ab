"""Every fixed SQL text we ship is one statement that Databricks' dialect parses (design AD1)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlglot

import kmflow_orchestration

ROOT = Path(kmflow_orchestration.__file__).parent
FILES = sorted((ROOT / "operations" / "sql").glob("*.sql"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_query_parses_as_one_databricks_statement(path):
    text = re.sub(r"\{\w+\}", "filled_in", path.read_text(encoding="utf-8"))

    parsed = sqlglot.parse(text, dialect="databricks", error_level=sqlglot.ErrorLevel.RAISE)

    assert len(parsed) == 1
    assert isinstance(parsed[0], sqlglot.exp.Query)
