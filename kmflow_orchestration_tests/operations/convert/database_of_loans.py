"""A small database, and what is told of the steps of its conversion."""

from __future__ import annotations

from pathlib import Path

from kmflow_orchestration_tests.converters.jet3_file import OldTable, jet3_file

LINES = [
    "analyse: Jet 3, 11 pages",
    "list tables: 3 tables, 0 linked, 0 queries",
    "count found: 5 rows in 3 tables",
    "summary: Customers 3, Empty 0, Loans 2",
    "per-table rows: Customers",
    "extraction: 5 rows into 3 files",
]


def loans_database(folder: Path) -> Path:
    """Written into a folder of its own."""
    customers = OldTable("Customers", [("Id", "long")], [(1,), (2,), (3,)])
    lent = OldTable("Loans", [("Id", "long"), ("Name", "text")], [(1, "a"), (2, "b")])
    folder.mkdir()
    path = folder / "loans.mdb"
    path.write_bytes(jet3_file([lent, OldTable("Empty", [("Id", "long")], []), customers]))
    return path
