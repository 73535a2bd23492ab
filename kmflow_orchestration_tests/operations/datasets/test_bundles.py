"""Archives dropped into landing: one item of evidence, and every file in it where it belongs."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from kmflow_orchestration.intake.ledger import State
from kmflow_orchestration.tables.medallion import SILVER_EVIDENCE_FRAGMENTS
from kmflow_orchestration_tests.converters.archives.bundles import tarred, zipped
from kmflow_orchestration_tests.operations.datasets.dataset_world import DatasetWorld
from kmflow_orchestration_tests.operations.datasets.test_formats import picture

NOTES = b"# Findings\n" + b"Every loan was checked by two people. " * 10
BUNDLE = {
    "north/loans_2026-01.csv": b"id,amount\n1,2.50\n",
    "south/loans_2026-01.csv": b"id,amount\n2,7\n",
    "old.zip": zipped({"people.json": b'[{"name": "Ana"}]'}),
    "notes.md": NOTES,
    "../loans.csv": b"id,amount\n666,0\n",
}


def test_files_of_a_bundle_join_the_datasets_of_their_names(world: DatasetWorld) -> None:
    world.drop("loans_2025-12.csv", "id,amount\n0,1.5\n")
    world.drop("delivery_7.zip", zipped(BUNDLE))
    published = world.take_in()

    assert (published.converted, published.quarantined) == (2, ())
    assert sorted(world.tables) == ["delivery__members", "loans", "people"]
    assert world.rows("loans", "id", "amount", "_source_part") == [
        (0, Decimal("1.50"), None),
        (1, Decimal("2.50"), "north/loans_2026-01.csv"),
        (2, Decimal("7.00"), "south/loans_2026-01.csv"),
    ]
    assert world.rows("people", "name", "_source_part") == [("Ana", "old.zip!/people.json")]
    item = world.place.item("delivery_7.zip")
    assert set(world.rows("people", "_evidence_id")) == {(item.item_id,)}
    assert world.rows("delivery__members", "path", "fate", "reason", "archive_sha256") == [
        ("../loans.csv", "refused", "unsafe_name", item.content_hash),
        ("north/loans_2026-01.csv", "converted", None, item.content_hash),
        ("notes.md", "converted", None, item.content_hash),
        ("old.zip!/people.json", "converted", None, item.content_hash),
        ("old.zip", "opened", None, item.content_hash),
        ("south/loans_2026-01.csv", "converted", None, item.content_hash),
    ]
    assert [(one.warning.code, one.warning.location) for one in published.warnings] == [
        ("member_skipped", "../loans.csv")
    ]


def test_documents_of_a_bundle_become_fragments_that_say_where_they_lie(
    world: DatasetWorld,
) -> None:
    world.drop("delivery.tar.gz", tarred(BUNDLE, "gz"))
    world.drop("plain.gz", tarred({"more.md": NOTES}, "gz"))
    world.take_in()
    published = world.publish_fragments()

    table = world.config.namespace.silver(SILVER_EVIDENCE_FRAGMENTS.name)
    rows = world.lakehouse.query(
        f"SELECT * FROM {table.sql} WHERE engagement_id = :engagement",
        {"engagement": world.engagement},
    ).to_pylist()
    places = {json.loads(row["metadata_json"])["location"].partition(":")[0] for row in rows}
    assert published.documents == 2
    assert places == {"notes.md", "more.md"}
    assert any("Every loan was checked" in row["content"] for row in rows)


def test_pictures_of_a_bundle_join_the_others(world: DatasetWorld) -> None:
    world.drop("door.png", picture("PNG", (64, 48)))
    pictures = {"in/a.png": picture("PNG", (8, 8)), "b.jpg": picture("JPEG", (16, 16))}
    world.drop("photos.zip", zipped(pictures))
    world.take_in()
    world.publish()

    assert world.tables == ["images", "photos__members"]
    assert world.rows("images", "width", "_source_part") == [
        (16, "b.jpg [images]"),
        (64, "images"),
        (8, "in/a.png [images]"),
    ]


def test_a_bundle_taken_in_again_or_anew_leaves_no_row_twice(world: DatasetWorld) -> None:
    world.drop("delivery.zip", zipped(BUNDLE))
    world.take_in()
    before = world.rows("loans", "id", "amount", "_source_part")
    world.publish()
    assert world.rows("loans", "id", "amount", "_source_part") == before
    world.drop("delivery.zip", zipped({"north/loans_2026-01.csv": b"id,amount\n1,3.75\n"}))
    world.take_in()

    assert world.rows("loans", "id", "amount") == [(1, Decimal("3.75"))]
    assert world.rows("delivery__members", "path") == [("north/loans_2026-01.csv",)]
    assert world.rows("people", "name") == []


def test_a_column_that_becomes_text_is_read_from_the_bundle_again(world: DatasetWorld) -> None:
    world.drop("delivery.zip", zipped({"a.zip": zipped({"loans_1.csv": b"id,amount\n1,2.50\n"})}))
    world.take_in()
    world.drop("loans_2.csv", "id,amount\n2,none\n")
    world.take_in()

    assert world.rows("loans", "id", "amount") == [(1, "2.50"), (2, "none")]


@pytest.mark.parametrize(
    ("content", "code"),
    [(zipped(BUNDLE)[:-60], "corrupt"), (zipped({}), "empty")],
    ids=["cut off", "empty"],
)
def test_an_archive_that_cannot_be_opened_is_quarantined_alone(
    world: DatasetWorld, content: bytes, code: str
) -> None:
    world.drop("a.zip", content)
    world.drop("b.csv", "id\n1\n")
    published = world.take_in()

    assert [item.code for item in published.quarantined] == [code]
    assert world.place.item("a.zip").state is State.QUARANTINED
    assert world.rows("b", "id") == [(1,)]
