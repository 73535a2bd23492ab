"""Every value of Parquet files below a folder as text, one JSON list; needs nothing but pyarrow."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq


def main() -> None:
    place = Path(sys.argv[1])
    files = [place] if place.is_file() else sorted(place.rglob("*.parquet"))
    tables = [pq.read_table(file) for file in files]
    columns = [column for table in tables for column in table.itercolumns()]
    values = [value for column in columns for value in column.to_pylist()]
    print(json.dumps([None if value is None else str(value) for value in values]))


if __name__ == "__main__":
    main()
