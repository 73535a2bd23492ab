"""What every column of a table comes to, counted by the warehouse (row CD-N3).

The same statement over two sources tells whether they hold the same rows, in any order: rows,
values that are there, and a sum of their hashes; and a sum of the hashes of whole rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.names import quoted

# So many in one statement; a table may have thousands.
_COLUMNS_AT_ONCE = 50
_SUM = "SUM(CAST(xxhash64({}) AS DECIMAL(38,0)))"


@dataclass(frozen=True, slots=True)
class ColumnSum:
    """Rows without a value in one column, and the sum of hashes of the others."""

    nulls: int
    hashes: str


@dataclass(frozen=True, slots=True)
class TableSums:
    """Of all rows, and of each column by name; equal sums, equal rows."""

    rows: int
    columns: dict[str, ColumnSum]
    row_hashes: str


def table_sums(statements: Statements, source: str, columns: Sequence[str]) -> TableSums:
    """Sums of a table or query, of which `source` is the SQL, over these columns.

    Raises:
        StatementFailed, RemoteFault: the warehouse did not answer.
    """
    rows = 0
    found: dict[str, ColumnSum] = {}
    for some in _pieces(columns):
        counted = [
            f"COUNT({quoted(name)}) AS c{at}, {_SUM.format(quoted(name))} AS s{at}"
            for at, name in enumerate(some)
        ]
        sql = f"SELECT COUNT(*) AS n, {', '.join(counted)} FROM {source}"
        told = statements.fetch_small(sql).to_pylist()[0]
        rows = int(told["n"])
        found |= {
            name: ColumnSum(rows - int(told[f"c{at}"]), str(told[f"s{at}"]))
            for at, name in enumerate(some)
        }
    # A NULL has no hash of its own: which value is missing must count as well.
    cells = ", ".join(f"{quoted(name)} IS NULL, {quoted(name)}" for name in columns)
    together = statements.fetch_small(f"SELECT {_SUM.format(cells)} AS s FROM {source}")
    return TableSums(rows, found, str(together["s"][0].as_py()))


def _pieces(columns: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(columns), _COLUMNS_AT_ONCE):
        yield columns[start : start + _COLUMNS_AT_ONCE]
