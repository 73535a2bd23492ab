from __future__ import annotations

import json
from typing import Any

import pytest

from kmflow_orchestration.tables.medallion import SILVER_EVIDENCE_FRAGMENTS
from kmflow_orchestration_tests.converters.documents.office_samples import slides, word
from kmflow_orchestration_tests.converters.documents.page_samples import HTML, RTF, odt, pdf
from kmflow_orchestration_tests.converters.mail.test_mail import HASH, MSG, forwarded
from kmflow_orchestration_tests.operations.datasets.dataset_world import (
    DatasetWorld,
    WatchedLakehouse,
)

NOTES = (
    "# Findings\n" + "Every loan was checked by two people. " * 10 + "\n\n# Risks\n" + "None. " * 40
)


PROCESS = """<?xml version="1.0"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" name="Payments">
  <process id="p" name="Pay an invoice"><task id="a" name="Match"/><task id="b" name="Pay"/>
  <sequenceFlow id="f" sourceRef="a" targetRef="b"/><sequenceFlow id="g" sourceRef="b"/></process>
</definitions>"""


def about(row: dict[str, object]) -> dict[str, Any]:
    return dict(json.loads(str(row["metadata_json"])))


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


def test_what_was_replaced_has_no_fragments_any_more(world: DatasetWorld) -> None:
    world.drop("notes.md", NOTES)
    world.take_in()
    world.publish_fragments()
    first = world.place.item("notes.md")
    world.drop("notes.md", "# Other\n\nWords.\n")
    world.take_in()
    world.publish_fragments()

    counts = {one.item_id: one.fragment_count for one in world.place.items()}
    assert counts.pop(first.item_id) == 0
    assert list(counts.values()) == [1]


@pytest.mark.parametrize("name", ["payments.bpmn", "payments.xml"])
def test_a_process_model_becomes_fragments_and_tables(world: DatasetWorld, name: str) -> None:
    world.drop(name, PROCESS)
    published = world.take_in()

    world.publish_fragments()

    (row,) = fragments(world)
    assert (row["parser_name"], row["fragment_type"]) == ("process_model", "paragraph")
    assert "Task: Match\n\nTask: Pay\n\nMatch → Pay" in str(row["content"])
    assert about(row)["flags"] == ["dangling"]
    assert about(row)["document"] == {"title": "Payments"}
    assert world.rows("payments__edges", "source", "dangling") == [("a", False), ("b", True)]
    assert [one.warning.code for one in published.warnings] == ["dangling"]


def test_pages_become_fragments_and_say_what_they_lack(world: DatasetWorld) -> None:
    world.drop("tariff.pdf", pdf())
    world.drop("returns.htm", HTML)
    world.drop("handover.rtf", RTF)
    world.drop("access.odt", odt())
    world.drop("locked.pdf", pdf(is_encrypted=True))
    published = world.take_in()

    assert world.publish_fragments().documents == 4

    assert [(one.file_name, one.code) for one in published.quarantined] == [
        ("locked.pdf", "encrypted")
    ]
    warned = {(one.file_name, one.warning.code, one.warning.location) for one in published.warnings}
    assert ("tariff.pdf", "needs_ocr", "page 3") in warned
    (scan,) = (row for row in fragments(world) if "needs_ocr" in about(row).get("flags", ()))
    assert "[page 3 has no text layer]" in str(scan["content"])
    assert about(scan)["document"]["created"] == "2026-10-05T08:15:00+02:00"


def test_mail_becomes_fragments_with_its_attachments_listed(world: DatasetWorld) -> None:
    world.drop("request.eml", bytes(forwarded()))
    world.drop("numbers.msg", MSG)
    world.take_in()

    assert world.publish_fragments().documents == 2

    rows = fragments(world)
    assert {row["parser_name"] for row in rows} == {"mail"}
    lists = [str(row["content"]) for row in rows if row["fragment_type"] == "table"]
    assert len(lists) == 2
    assert all(HASH in one for one in lists)
    assert {about(row)["document"]["title"] for row in rows} == {"Fwd", "Quarter end"}


def test_a_damaged_document_is_quarantined_and_leaves_its_neighbours(world: DatasetWorld) -> None:
    world.drop("broken.bpmn", PROCESS[:-40])
    world.drop("notes.md", NOTES)
    published = world.take_in()

    world.publish_fragments()

    assert [(one.file_name, one.code) for one in published.quarantined] == [
        ("broken.bpmn", "corrupt")
    ]
    assert len(fragments(world)) == 2


def test_office_documents_become_fragments_that_say_what_they_are_of(world: DatasetWorld) -> None:
    world.drop("policy.docx", word())
    world.drop("kickoff.pptx", slides())
    world.take_in()

    assert world.publish_fragments().documents == 2

    rows = fragments(world)
    (hidden,) = (row for row in rows if about(row)["location"] == "slide 2")
    assert about(hidden)["flags"] == ["hidden"]
    assert about(hidden)["document"]["title"] == "Kick-off"
    (table,) = (row for row in rows if about(row)["location"] == "table 1")
    assert (table["parser_name"], table["fragment_type"]) == ("word", "table")
    assert any("Fewer errors" in str(row["content"]) for row in rows)
