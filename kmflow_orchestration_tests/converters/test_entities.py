"""Entities by rules: their type, how sure they are, and the chunk they stand in (row B14)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.converters.chunking import chunks
from kmflow_orchestration.converters.detection import detect
from kmflow_orchestration.converters.entities import EntityType, FoundEntity, find_entities
from kmflow_orchestration.converters.interface import BlockKind, Source, TextBlock
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration_tests.converters.conftest import Writes

BPMN = """<?xml version="1.0"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL">
<collaboration id="c"><participant id="pp" name="Lender" processRef="p"/></collaboration>
<process id="p" name="Loans"><laneSet id="ls"><lane id="l" name="Credit officer">
<flowNodeRef>s</flowNodeRef><flowNodeRef>t</flowNodeRef><flowNodeRef>g</flowNodeRef></lane></laneSet>
<startEvent id="s" name="Request came"/><userTask id="t" name="Check the limit"/>
<exclusiveGateway id="g" name="Within limit?"/><dataObjectReference id="d" name="Loan file"/>
<sequenceFlow id="f" sourceRef="s" targetRef="t"/><sequenceFlow id="h" sourceRef="t" targetRef="g"/>
</process></definitions>"""
DMN = """<?xml version="1.0"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="d" name="D">
<inputData id="i" name="Income"/><decision id="e" name="Eligible"><literalExpression>
<text>Income &gt; 5</text></literalExpression></decision></definitions>"""
NOTES = """# 2.1 Approve the invoice

The Credit Manager opens the Billing System and SAP. Ask ann.lee@example.com or see limits.xlsx.

1. Verify the amount; then wait.
2. Invoices are old.
- Review the contract (twice)

Step 3: Send it back. Then stop.

Decision: Pay at once

## Is the limit kept?

# Order management
"""


def found(source: Source) -> list[FoundEntity]:
    converter = detect(source, default_converters()).converter
    assert converter is not None
    blocks = list(converter.open_text(source))
    return find_entities(blocks, chunks(blocks), converter.name)


def told(entities: list[FoundEntity]) -> set[tuple[str, str, float]]:
    return {(one.type.value, one.name, one.confidence) for one in entities}


def test_a_process_model_declares_its_steps_and_who_takes_them(source: Writes) -> None:
    assert told(found(source(BPMN, "loans.bpmn"))) == {
        ("role", "Credit officer", 0.9),
        ("event", "Request came", 0.95),
        ("activity", "Check the limit", 0.95),
        ("gateway", "Within limit?", 0.95),
        ("data_object", "Loan file", 0.95),
    }


def test_a_decision_model_declares_its_decisions_and_their_inputs(source: Writes) -> None:
    assert told(found(source(DMN, "eligible.dmn"))) == {
        ("decision", "Eligible", 0.95),
        ("data_object", "Income", 0.95),
    }


def test_a_text_suggests_what_its_words_say(source: Writes) -> None:
    assert told(found(source(NOTES, "notes.md"))) == {
        ("activity", "Approve the invoice", 0.6),
        ("role", "Credit Manager", 0.6),
        ("system", "Billing System", 0.6),
        ("system", "SAP", 0.8),
        ("role", "ann.lee@example.com", 0.5),
        ("document", "limits.xlsx", 0.8),
        ("activity", "Verify the amount", 0.5),
        ("activity", "Review the contract", 0.5),
        ("activity", "Send it back", 0.8),
        ("decision", "Pay at once", 0.8),
        ("decision", "Is the limit kept?", 0.5),
    }


@pytest.mark.parametrize(
    "text",
    [
        "The system was down and the manager left.",
        "Order management",
        "We approve the invoice on Monday.",
        "1. Approve",
        "- Approve " + "very " * 20 + "much",
        "someone@localhost wrote to a@b",
        "Step by step: nothing",
    ],
)
def test_words_that_name_nothing_give_nothing(source: Writes, text: str) -> None:
    assert found(source(text, "a.txt")) == []


def test_a_name_is_told_once_where_it_is_surest(source: Writes) -> None:
    text = "# Approve loans\n\n" + "Filler words here. " * 90 + "\n\nActivity: approve loans\n"

    [entity] = found(source(text, "a.md"))

    assert (entity.name, entity.confidence) == ("approve loans", 0.8)
    assert entity.chunk > 0


def test_deleted_text_and_margins_name_nothing() -> None:
    blocks = [
        TextBlock(kind, "Decision: Pay at once", "Heading")
        for kind in (BlockKind.DELETED, BlockKind.HEADER, BlockKind.FOOTER, BlockKind.CODE)
    ]
    assert find_entities(blocks, chunks(blocks), "word") == []


words = st.sampled_from(
    [
        "Approve",
        "the",
        "invoice",
        "Credit Manager",
        "SAP",
        "Step 1: Pay",
        "a@b.com",
        "x" * 900,
        "\n",
    ]
)
any_blocks = st.builds(
    TextBlock,
    st.sampled_from(BlockKind),
    st.lists(words, max_size=60).map(" ".join),
    st.sampled_from(["", "Approve the loan"]),
)


@given(st.lists(any_blocks, max_size=12), st.sampled_from(["word", "process_model"]))
def test_every_name_stands_in_its_chunk(blocks: list[TextBlock], parser: str) -> None:
    cut = chunks(blocks)
    entities = find_entities(blocks, cut, parser)

    assert all(one.name in " ".join(cut[one.chunk].text.split()) for one in entities)
    assert len({(one.type, one.key) for one in entities}) == len(entities)
    assert all(one.name and 0 < one.confidence <= 1 for one in entities)
    assert {one.type for one in entities} <= set(EntityType)
