"""Entities of documents lie in silver with the fragment that names each (row B14)."""

from __future__ import annotations

import gzip

import pytest

from kmflow_orchestration.identity import entity_id, extracted_entity_id
from kmflow_orchestration.operations.silver_fragments import PublishedFragments
from kmflow_orchestration.tables.medallion import (
    SILVER_EVIDENCE_FRAGMENTS,
    SILVER_EXTRACTED_ENTITIES,
)
from kmflow_orchestration_tests.converters.archives.bundles import CSV, zipped
from kmflow_orchestration_tests.operations.datasets.dataset_world import (
    DatasetWorld,
    WatchedLakehouse,
)

NOTES = "# Approve the loan\n\nThe Credit Manager looks into SAP.\n"
MODEL = """<?xml version="1.0"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"><process id="p" name="Pay">
<task id="a" name="Approve the loan"/></process></definitions>"""


def entities(world: DatasetWorld) -> list[dict[str, object]]:
    table = world.config.namespace.silver(SILVER_EXTRACTED_ENTITIES.name)
    found = world.lakehouse.query(
        f"SELECT * FROM {table.sql} WHERE engagement_id = :engagement "
        "ORDER BY entity_type, entity_name, entity_silver_id",
        {"engagement": world.engagement},
    )
    return found.to_pylist()


def told(world: DatasetWorld) -> list[tuple[object, object]]:
    return [(row["entity_type"], row["entity_name"]) for row in entities(world)]


def published(world: DatasetWorld) -> PublishedFragments:
    world.take_in()
    return world.publish_fragments()


def test_no_entity_is_blank_and_each_joins_its_fragment(world: DatasetWorld) -> None:
    world.drop("notes.md", NOTES)
    world.drop("pay.bpmn", MODEL)

    done = published(world)

    rows = entities(world)
    assert done.entities == len(rows) == 4
    filled = ("entity_silver_id", "entity_id", "entity_type", "entity_name", "fragment_silver_id")
    assert all(row[name] for row in rows for name in (*filled, "confidence", "extracted_at"))
    silver = world.config.namespace.silver
    fragments = silver(SILVER_EVIDENCE_FRAGMENTS.name).sql
    joined = world.lakehouse.query(
        f"SELECT e.entity_name, f.content FROM {silver(SILVER_EXTRACTED_ENTITIES.name).sql} e "
        f"JOIN {fragments} f ON f.silver_id = e.fragment_silver_id "
        "AND f.evidence_item_id = e.evidence_item_id WHERE e.engagement_id = :engagement",
        {"engagement": world.engagement},
    ).to_pylist()
    assert len(joined) == len(rows)
    assert all(row["entity_name"] in row["content"] for row in joined)


def test_what_two_documents_name_is_one_entity_in_two_rows(world: DatasetWorld) -> None:
    world.drop("notes.md", NOTES)
    world.drop("pay.bpmn", MODEL)
    published(world)

    both = [row for row in entities(world) if row["entity_name"] == "Approve the loan"]

    assert len({row["entity_silver_id"] for row in both}) == 2
    [known] = {row["entity_id"] for row in both}
    assert known == entity_id("acme", world.engagement, "activity", "approve the loan")
    assert sorted(str(row["confidence"]) for row in both) == ["0.6", "0.95"]


def test_a_second_call_writes_the_same_entities(world: DatasetWorld) -> None:
    world.drop("notes.md", NOTES)
    published(world)
    before = entities(world)

    world.publish_fragments()

    assert before
    assert entities(world) == before


def test_a_new_version_of_a_document_replaces_what_the_old_one_named(world: DatasetWorld) -> None:
    world.drop("notes.md", NOTES)
    published(world)
    world.drop("notes.md", "Only Salesforce is left.\n")
    published(world)

    assert told(world) == [("system", "Salesforce")]


def test_what_failed_between_text_and_entities_is_made_up_for(world: DatasetWorld) -> None:
    calls: list[int] = []

    def fail_once() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise ConnectionError("cut off")

    world.drop("notes.md", NOTES)
    world.take_in()
    with pytest.raises(ConnectionError):
        world.publish_fragments(WatchedLakehouse(world.lakehouse, "replace", before=fail_once))
    assert told(world) == []

    world.publish_fragments()

    assert len(told(world)) == 3


def test_documents_without_text_are_named(world: DatasetWorld) -> None:
    world.drop("blank.txt", " \n")
    world.drop("broken.bpmn", MODEL[:-30])
    world.drop("notes.md", NOTES)

    assert sorted(published(world).without_text) == ["blank.txt", "broken.bpmn"]


def test_what_holds_only_tables_is_no_document_without_text(world: DatasetWorld) -> None:
    world.drop("tables.zip", zipped({"a.csv": CSV, "b.csv": CSV}))
    world.drop("loans.gz", gzip.compress(CSV))
    world.drop("broken.zip", zipped({"a.csv": CSV})[:-9])
    world.drop("blank.zip", zipped({"a.csv": CSV, "blank.txt": b" \n"}))
    world.drop("mixed.zip", zipped({"a.csv": CSV, "notes.md": NOTES.encode()}))

    done = published(world)

    assert done.without_text == ("blank.zip",)
    assert done.documents == 1


def test_ids_of_entities_never_change() -> None:
    entity = entity_id("acme", "e1", "role", "clerk")
    assert entity == "ea12f79b-99d2-53be-a38a-2c7e05fb8365"
    assert extracted_entity_id("fragment", entity) == "2bc62cc1-846d-5ec4-b65a-59750f5a2a3e"
