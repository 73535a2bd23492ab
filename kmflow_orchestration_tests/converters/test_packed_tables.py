"""Delimited text that lies compressed reads as the plain file does, under the hash it lies with."""

from __future__ import annotations

import bz2
import gc
import gzip
import hashlib
import lzma
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from kmflow_orchestration.converters.delimited import DelimitedConverter
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values, delimited, rows, types

TEXT = "Loans of the month\n\nid;amount;name\n1;1.200,50;Añá\n\n2;7,25;\n".encode("cp1252")


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, "zstd", asbytes=True))


@pytest.mark.parametrize(
    ("pack", "suffix"),
    [(gzip.compress, "gz"), (bz2.compress, "bz2"), (lzma.compress, "xz"), (zstd, "zst")],
    ids=["gzip", "bzip2", "xz", "zstd"],
)
def test_a_packed_table_is_the_plain_one_but_for_its_hash(
    source: Writes, pack: Callable[[bytes], bytes], suffix: str
) -> None:
    content = pack(TEXT)
    plain = delimited(source(TEXT, "loans.csv"))
    packed = delimited(source(content, f"loans.csv.{suffix}"))

    assert all_values(packed) == all_values(plain)
    assert rows(packed) == [(1, Decimal("1200.50"), "Añá"), (2, Decimal("7.25"), None)]
    assert [row["_source_row"] for row in all_values(packed)] == [4, 6]
    assert types(packed) == types(plain)
    assert packed.receipt.options == plain.receipt.options
    assert packed.receipt.content_hash == hashlib.sha256(content).hexdigest()
    assert packed.receipt.adds_up


def test_a_packed_file_named_tsv_leans_towards_tabs(source: Writes) -> None:
    content = gzip.compress(b"a\tb,c\n1\t2,3\n")

    assert types(delimited(source(content, "a.tsv.gz"))) == types(
        delimited(source(b"a\tb,c\n1\t2,3\n", "a.tsv"))
    )


def test_the_copy_lives_as_long_as_its_tables(
    source: Writes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    table = delimited(source(gzip.compress(TEXT), "a.csv.gz"))
    batches = table.batches()

    assert len(list(folder.iterdir())) == 1
    assert next(batches).num_rows == 2
    del table, batches
    gc.collect()
    assert list(folder.iterdir()) == []


def test_why_it_is_read_so_is_told_of_a_packed_file(source: Writes) -> None:
    found = DelimitedConverter().decide(source(gzip.compress(TEXT), "a.csv.gz"))

    assert (found.delimiter, found.tables[0].header_row) == (";", 3)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_damaged_packed_table_is_corrupt(source: Writes, share: float) -> None:
    whole = gzip.compress(b"".join(b"%d,%d\n" % (one, one * one) for one in range(5000)))

    with pytest.raises(CorruptInput) as error:
        delimited(source(whole[: int(len(whole) * share)], "a.csv.gz"))

    assert error.value.reason == "corrupt"


def test_a_bomb_is_refused_before_it_fills_the_disk(source: Writes) -> None:
    # Streams of gzip may follow each other: 300 MiB of zeros in 300 KiB.
    bomb = gzip.compress(bytes(1 << 20)) * 300

    with pytest.raises(CorruptInput) as error:
        delimited(source(bomb, "a.csv.gz"))

    assert error.value.reason == "too_large_inside"
