from __future__ import annotations

from kmflow_orchestration.tables.medallion import SILVER_EVIDENCE_FRAGMENTS
from kmflow_orchestration_tests.operations.datasets.dataset_world import (
    DatasetWorld,
    WatchedLakehouse,
)

NOTES = (
    "# Findings\n" + "Every loan was checked by two people. " * 10 + "\n\n# Risks\n" + "None. " * 40
)


def fragments(world: DatasetWorld) -> list[dict[str, object]]:
    table = world.config.namespace.silver(SILVER_EVIDENCE_FRAGMENTS.name)
    found = world.lakehouse.query(
        f"SELECT * FROM {table.sql} WHERE engagement_id = :engagement ORDER BY content",
        {"engagement": world.engagement},
    )
    return found.to_pylist()


def test_a_document_becomes_fragments_with_its_headings(world: DatasetWorld) -> None:
    world.drop("notes.md", NOTES)
    world.take_in()

    published = world.publish_fragments()

    findings, risks = fragments(world)
    assert str(findings["content"]).startswith("Findings\n\nEvery loan")
    assert str(risks["content"]).startswith("Risks\n\nNone.")
    assert findings["processed_at"] == world.place.item("notes.md").stored_at
    assert findings["char_count"] == len(str(findings["content"]))
    assert (published.fragments, published.documents) == (2, 1)


def test_a_second_call_writes_the_same_rows(world: DatasetWorld) -> None:
    world.drop("notes.txt", NOTES)
    world.take_in()
    world.publish_fragments()
    before = fragments(world)

    world.publish_fragments()

    assert fragments(world) == before


def test_a_new_version_replaces_the_old_ones_text(world: DatasetWorld) -> None:
    for text in ("First words.\n", "Other words.\n"):
        world.drop("notes.md", text)
        world.take_in()
        world.publish_fragments()

    assert [row["content"] for row in fragments(world)] == ["Other words."]


def test_a_document_superseded_while_it_is_read_leaves_no_fragments(world: DatasetWorld) -> None:
    overtaken: list[bool] = []

    def supersede() -> None:
        if not overtaken:
            overtaken.append(True)
            with world.next_day() as work_dir:
                world.drop("notes.md", "Other words.\n")
                world.take_in(work_dir=work_dir)
                world.publish_fragments()

    world.drop("notes.md", "First words.\n")
    world.take_in()
    world.publish_fragments(WatchedLakehouse(world.lakehouse, "replace", before=supersede))

    assert [row["content"] for row in fragments(world)] == ["Other words."]


def test_tables_and_files_without_words_have_no_fragments(world: DatasetWorld) -> None:
    world.drop("blank.txt", " \n\n")
    world.drop("really_a_table.txt", "a;b\n1;2\n3;4\n")
    world.take_in()

    assert (world.publish_fragments().fragments, fragments(world)) == (0, [])
    assert world.tables == ["really_a_table"]


def test_each_item_knows_how_many_fragments_it_has(world: DatasetWorld) -> None:
    world.drop("notes.md", NOTES)
    world.drop("blank.txt", " \n")
    world.take_in()
    names = ("notes.md", "blank.txt")
    assert [world.place.item(name).fragment_count for name in names] == [None, None]

    world.publish_fragments()
    world.publish_fragments()

    assert [world.place.item(name).fragment_count for name in names] == [2, 0]
