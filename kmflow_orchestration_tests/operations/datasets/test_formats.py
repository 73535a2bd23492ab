"""Files of formats other than text and workbooks, from landing to their tables."""

from __future__ import annotations

import bz2
import gzip
import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import fastavro
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
from PIL import Image

from kmflow_orchestration.intake.ledger import State
from kmflow_orchestration_tests.converters.dbase_files import dbf_bytes
from kmflow_orchestration_tests.converters.recording_samples import mp4, wav
from kmflow_orchestration_tests.operations.datasets.dataset_world import DatasetWorld


def test_json_files_become_typed_tables(world: DatasetWorld) -> None:
    world.drop("loans_1.json", '[{"id": 9007199254740993, "amount": 1.50, "due": "2026-11-20"}]')
    world.drop("loans_2.jsonl.gz", gzip.compress(b'{"id": 2, "who": {"name": "Ana"}}\n'))
    world.drop("orders.json", '{"took": 5, "items": [{"n": 1}, {"n": 2}]}')
    published = world.take_in()

    assert (published.quarantined, published.converted) == ((), 3)
    assert world.types("loans") == {
        "id": "BIGINT",
        "amount": "DECIMAL(18,2)",
        "due": "DATE",
        "who": "STRING",
    }
    assert world.rows("loans", "id", "amount", "due", "who") == [
        (2, None, None, '{"name":"Ana"}'),
        (9007199254740993, Decimal("1.50"), date(2026, 11, 20), None),
    ]
    assert world.rows("orders", "_id", "took") == [(1, 5)]
    assert world.rows("orders__items", "_parent_id", "n", "_source_part") == [
        (1, 1, "items"),
        (1, 2, "items"),
    ]


def test_packed_tables_join_the_plain_ones_of_their_name(world: DatasetWorld) -> None:
    world.drop("loans_1.csv", "id,amount\n1,2.50\n")
    world.drop("loans_2.csv.gz", gzip.compress(b"id,amount\n2,7\n"))
    world.drop("loans_3.tsv.bz2", bz2.compress(b"id\tamount\n3\t8\n"))
    world.drop("loans_4.csv.gz", gzip.compress(b"id,amount\n4,9\n")[:-9])
    published = world.take_in()

    assert [item.code for item in published.quarantined] == ["corrupt"]
    assert world.rows("loans", "id", "amount") == [
        (1, Decimal("2.50")),
        (2, Decimal("7.00")),
        (3, Decimal("8.00")),
    ]


def test_a_json_file_without_records_is_an_empty_table(world: DatasetWorld) -> None:
    world.drop("loans_1.json", "[]")
    published = world.take_in()
    world.drop("loans_2.json", '[{"id": 1}]')
    world.take_in()

    assert (published.converted, published.rows_written) == (1, 0)
    assert world.rows("loans", "id") == [(1,)]


def test_a_broken_json_file_is_quarantined_alone(world: DatasetWorld) -> None:
    world.drop("loans_1.json", '[{"id": 1}, {"id": ')
    world.drop("loans_2.json", '[{"id": 2}]')
    published = world.take_in()

    assert [item.code for item in published.quarantined] == ["corrupt"]
    assert world.place.item("loans_1.json").state is State.QUARANTINED
    assert world.rows("loans", "id") == [(2,)]


def test_a_dbf_file_becomes_a_typed_table(world: DatasetWorld) -> None:
    fields = [("ID", "N", 4), ("AMOUNT", "N", 8), ("NAME", "C", 6), ("DUE", "D", 8)]
    world.drop(
        "LOANS.DBF",
        dbf_bytes(
            fields,
            [b"    1   12.50Ana   20261120", b"*   2    0.00gone  20261121"],
        ),
    )
    published = world.take_in()

    assert (published.quarantined, published.converted) == ((), 1)
    assert world.types("loans")["amount"] == "DECIMAL(18,2)"
    assert world.rows("loans", "id", "amount", "name", "due", "_source_row") == [
        (1, Decimal("12.50"), "Ana", date(2026, 11, 20), 1)
    ]
    assert [one.warning.code for one in published.warnings] == ["deleted_records"]


def test_a_dbf_file_that_needs_its_memos_is_quarantined_with_the_reason(
    world: DatasetWorld,
) -> None:
    fields = [("ID", "N", 4), ("NOTE", "M", 10)]
    world.drop("notes.dbf", dbf_bytes(fields, [b"    1         1"], version=0x83))
    published = world.take_in()

    assert [item.code for item in published.quarantined] == ["missing_memo"]


def test_xml_files_become_a_table_of_each_element_that_repeats(world: DatasetWorld) -> None:
    world.drop(
        "loans.xml",
        '<loans made="2026-11-20"><loan id="1"><amount>1.50</amount><pay>1</pay><pay>2</pay></loan>'
        '<loan id="2"><amount/></loan></loans>',
    )
    published = world.take_in()

    assert (published.quarantined, published.converted) == ((), 1)
    assert world.tables == ["loans", "loans__loan", "loans__loan_pay"]
    assert world.rows("loans", "_id", "made") == [(1, date(2026, 11, 20))]
    assert world.rows("loans__loan", "_id", "_parent_id", "id", "amount") == [
        (1, 1, 1, Decimal("1.50")),
        (2, 1, 2, None),
    ]
    assert world.rows("loans__loan_pay", "_parent_id", "text") == [(1, 1), (1, 2)]


def test_a_parquet_file_keeps_its_types(world: DatasetWorld) -> None:
    table = pa.table({"id": [1, 2], "who": [{"name": "Ana"}, None], "due": [date(2026, 1, 2)] * 2})
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    world.drop("loans.parquet", buffer.getvalue().to_pybytes())
    published = world.take_in()

    assert (published.quarantined, published.converted) == ((), 1)
    assert world.types("loans") == {"id": "BIGINT", "who": "STRING", "due": "DATE"}
    assert world.rows("loans", "id", "who", "due") == [
        (1, '{"name":"Ana"}', date(2026, 1, 2)),
        (2, None, date(2026, 1, 2)),
    ]


def test_an_entity_bomb_is_quarantined_alone(world: DatasetWorld) -> None:
    entities = "".join(f"<!ENTITY l{at} '{f'&l{at - 1};' * 10}'>" for at in range(1, 10))
    world.drop("a.xml", f"<!DOCTYPE a [<!ENTITY l0 'lolololol'>{entities}]><a>&l9;</a>")
    world.drop("b.xml", "<b><c>1</c><c>2</c></b>")
    published = world.take_in()

    assert [item.code for item in published.quarantined] == ["xml_entities"]
    assert world.tables == ["b__c"]


def test_pictures_of_any_name_share_one_table(world: DatasetWorld) -> None:
    world.drop("front door.png", picture("PNG", (64, 48)))
    published = world.take_in()
    world.drop("vault 7.jpg", picture("JPEG", (32, 24)))
    world.drop("images.csv", "id\n1\n")
    published += world.take_in()

    assert (published.quarantined, published.converted) == ((), 3)
    assert world.rows("images", "format", "width", "truncated") == [
        ("jpeg", 32, False),
        ("png", 64, False),
    ]
    assert len(world.tables) == 2  # a table that is named like it stays another one


def test_a_picture_that_is_replaced_has_one_row(world: DatasetWorld) -> None:
    world.drop("a.png", picture("PNG", (64, 48)))
    world.take_in()
    world.drop("a.png", picture("PNG", (8, 8)))
    world.take_in()

    assert world.rows("images", "width") == [(8,)]


def test_a_picture_that_breaks_off_is_a_row_with_a_warning(world: DatasetWorld) -> None:
    world.drop("a.png", picture("PNG", (64, 48))[:-40])
    published = world.take_in()

    assert world.rows("images", "width", "truncated") == [(64, True)]
    assert [one.warning.code for one in published.warnings] == ["truncated"]


def test_recordings_share_a_table_of_them_and_one_of_their_streams(world: DatasetWorld) -> None:
    world.drop("call with the bank.wav", wav())
    world.drop("hold-up.mp4", mp4())
    published = world.take_in()

    assert (published.quarantined, world.tables) == ((), ["media", "streams"])
    assert world.rows("media", "container", "has_subtitles") == [
        ("MPEG-4", True),
        ("Wave", False),
    ]
    kinds = [kind for (kind,) in world.rows("streams", "kind")]
    assert kinds == ["audio", "audio", "subtitles", "video"]


def test_avro_and_statistics_files_become_typed_tables(world: DatasetWorld, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    fields = [{"name": "id", "type": "long"}, {"name": "who", "type": ["null", "string"]}]
    schema = {"type": "record", "name": "Loan", "fields": fields}
    fastavro.writer(buffer, schema, [{"id": 7, "who": None}], codec="snappy")
    world.drop("loans.avro", buffer.getvalue())
    survey = tmp_path / "survey.sav"
    answers = pd.DataFrame({"agree": [1.0, 99.0]})
    pyreadstat.write_sav(answers, str(survey), missing_ranges={"agree": [99]})
    world.drop("survey.sav", survey.read_bytes())
    published = world.take_in()

    assert (published.quarantined, published.converted) == ((), 2)
    assert world.rows("loans", "id", "who") == [(7, None)]
    assert (world.types("survey"), world.rows("survey", "agree")) == (
        {"agree": "BIGINT"},
        [(1,), (99,)],
    )


def picture(kind: str, size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 50).save(buffer, format=kind)
    return buffer.getvalue()
