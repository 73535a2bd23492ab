"""Small tables with everything that engines like to see differently, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kmflow_orchestration_tests.profiling.telling_texts import TELLING

Draw = Callable[[random.Random], Any]

_COLUMNS: dict[str, tuple[pa.DataType, Draw]] = {
    "telling": (pa.string(), lambda dice: dice.choice(TELLING)),
    "code": (pa.string(), lambda dice: f"{dice.choice('ABC')}-{dice.randint(0, 999):03d}"),
    "free_text": (
        pa.string(),
        lambda dice: "".join(dice.choices("aZé日 '\"-.,0159/%N\t", k=dice.randint(0, 40))),
    ),
    "small": (pa.int8(), lambda dice: dice.randint(-128, 127)),
    "whole": (pa.int32(), lambda dice: dice.randint(-5, 5)),
    "big": (pa.int64(), lambda dice: dice.choice([2**63 - 1, -(2**63), dice.randint(-9, 9)])),
    "share": (pa.float64(), lambda dice: round(dice.gauss(0, 100), 3)),
    "single": (pa.float32(), lambda dice: dice.choice([0.5, -1.25, 3.0, -0.0, 0.0])),
    "wild": (
        pa.float64(),
        lambda dice: dice.choice([float("nan"), float("inf"), float("-inf"), -0.0, 0.0, 1.5]),
    ),
    "money": (pa.decimal128(12, 2), lambda dice: Decimal(dice.randint(-9999, 9999)) / 100),
    "huge": (pa.decimal128(38, 0), lambda dice: Decimal(dice.randint(-(10**37), 10**37))),
    "day": (pa.date32(), lambda dice: date(1850, 1, 1) + timedelta(days=dice.randint(0, 90_000))),
    "moment": (
        pa.timestamp("us", tz="UTC"),
        lambda dice: (
            datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=dice.randint(0, 10**15))
        ),
    ),
    "local_moment": (
        pa.timestamp("us"),
        lambda dice: datetime(1999, 12, 31) + timedelta(seconds=dice.randint(0, 10**9)),  # noqa: DTZ001 - no zone on purpose
    ),
    "flag": (pa.bool_(), lambda dice: dice.random() < 0.3),
    "items": (pa.list_(pa.int32()), lambda dice: [1] * dice.randint(0, 2)),
    "bytes": (pa.binary(), lambda dice: dice.randbytes(3)),
    "nothing": (pa.string(), lambda _: None),
    "no_number": (pa.int64(), lambda _: None),
    "no_day": (pa.date32(), lambda _: None),
}


def write_tables(directory: Path, seed: int) -> dict[str, str]:
    """Parquet files by view name: one of 400 rows, one of 7, one empty."""
    dice = random.Random(seed)
    files = {}
    for name, rows in {"many": 400, "few": 7, "none": 0}.items():
        path = directory / f"{name}.parquet"
        pq.write_table(_table(dice, rows), path)
        files[f"t_{name}"] = str(path)
    return files


def _table(dice: random.Random, rows: int) -> pa.Table:
    columns = {}
    for name, (kind, draw) in _COLUMNS.items():
        values = [None if dice.random() < 0.1 else draw(dice) for _ in range(rows)]
        columns[name] = pa.array(values, kind)
    return pa.table(columns)
