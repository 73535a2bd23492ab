"""Process models of four notations as text and as tables (row D36)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from kmflow_orchestration.converters.detection import detect
from kmflow_orchestration.converters.interface import BlockKind, ConvertedTable, Source, TextBlock
from kmflow_orchestration.converters.process_models.converter import ProcessModelConverter
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.process_models.samples import BPMN, DMN, DRAWIO, visio
from kmflow_orchestration_tests.converters.reading import all_values, types

CONVERTER = ProcessModelConverter()


CHECKED = """User task: Check & complete application
Two people look at it.
Extensions: {"form": [{"key": "loan", "field": [{"id": "amount"}]}]}"""


def blocks(source: Source) -> list[TextBlock]:
    return list(CONVERTER.open_text(source))


def told(source: Source) -> list[tuple[BlockKind, str, str]]:
    return [(block.kind, block.location, block.text) for block in blocks(source)]


def tables(source: Source) -> dict[str, ConvertedTable]:
    return {table.part: table for table in CONVERTER.open_tables(source)}


def column(table: ConvertedTable, *names: str) -> list[Any]:
    rows = all_values(table)
    return [tuple(row[name] for name in names) for row in rows]


def flagged(found: Sequence[TextBlock]) -> list[str]:
    return [block.text for block in found if block.flags == ("dangling",)]


def test_bpmn_is_told_lane_by_lane_in_the_order_of_its_flows(source: Writes) -> None:
    found = told(source(BPMN, "loans.bpmn"))

    sales = [(kind, text) for kind, place, text in found if place == "lane Sales"]
    assert sales == [
        (BlockKind.HEADING, "Bank / Sales"),
        (
            BlockKind.STEP,
            "Start event: Application received\nMessage event definition: Application",
        ),
        (BlockKind.STEP, CHECKED),
        (BlockKind.FLOW, "Check & complete application → Loan file"),
        (BlockKind.FLOW, "Application received → Check & complete application"),
        (BlockKind.FLOW, "Check & complete application → Amount?"),
    ]
    risk = [text for _, place, text in found if place == "lane Risk"]
    assert risk[1:5] == [
        "Exclusive gateway: Amount?",
        "Sub process: Review",
        "Service task: Score",
        "Boundary event: Late\nTimer event definition: P3D",
    ]
    assert "Amount? → Review (large, if amount > 1000)" in risk
    assert "Amount? → Rejected (if default)" in risk
    pool = [text for _, place, text in found if place == "pool Bank"]
    assert pool[:2] == ["Bank", "How a loan is granted."]
    assert "Text annotation: Limits are old." in pool


def test_a_flow_that_ends_nowhere_is_flagged(source: Writes) -> None:
    assert flagged(blocks(source(BPMN, "loans.bpmn"))) == ["Late → gone"]
    assert flagged(blocks(source(DRAWIO, "a.drawio"))) == ["Pack → (nothing) (lost)"]
    assert flagged(blocks(source(DMN, "a.dmn"))) == ["nobody → Rate"]
    assert flagged(blocks(source(visio(), "a.vsdx"))) == ["Step → (nothing)"]


def test_bpmn_nodes_and_edges_are_tables(source: Writes) -> None:
    found = tables(source(BPMN, "loans.bpmn"))

    assert list(found) == ["nodes", "edges"]
    check = next(row for row in all_values(found["nodes"]) if row["id"] == "check")
    assert (check["pool"], check["lane"], check["x"], check["y"]) == ("Bank", "Sales", 10.0, 20.5)
    assert json.loads(check["details"])["extensions"]["form"][0]["key"] == "loan"
    late = next(row for row in all_values(found["nodes"]) if row["id"] == "late")
    assert (late["parent"], json.loads(late["details"])) == (
        "sub",
        {"timerEventDefinition": "P3D"},
    )
    assert column(found["edges"], "id", "source", "target", "dangling")[0] == (
        *("m1", "customer", "received"),
        False,
    )
    assert [row["id"] for row in all_values(found["edges"]) if row["dangling"]] == ["f5"]
    assert [warning.code for warning in found["nodes"].warnings] == ["broken_diagram"]
    assert all(table.receipt.adds_up for table in found.values())


def test_every_node_and_edge_of_a_model_is_in_its_text(source: Writes) -> None:
    found = blocks(source(BPMN, "loans.bpmn"))
    nodes, edges = tables(source(BPMN, "loans.bpmn")).values()

    frames = {"pool", "process", "lane"}
    steps = [row for row in all_values(nodes) if row["type"] not in frames]
    kinds = [block.kind for block in found]
    assert kinds.count(BlockKind.STEP) + kinds.count(BlockKind.NOTE) == len(steps) == 9
    assert kinds.count(BlockKind.FLOW) == len(all_values(edges)) == 8


def test_dmn_rules_are_rows_with_a_column_for_each_input_and_output(source: Writes) -> None:
    found = tables(source(DMN, "pricing.dmn"))

    assert list(found) == ["nodes", "edges", "decisions", "rules Rate"]
    assert types(found["rules Rate"])["rate"] == "DECIMAL(18,2)"
    assert column(found["rules Rate"], "rule", "amount", "grade", "annotation") == [
        (1, "< 1000", '"A"', "small"),
        (2, ">= 1000", "-", None),
    ]
    assert column(found["decisions"], "name", "hit_policy", "expression", "rule_count") == [
        ("Rate", "COLLECT MAX", None, 2),
        ("Fee", None, "rate * amount", 0),
    ]


def test_a_dmn_table_stays_one_piece_of_text(source: Writes) -> None:
    (table,) = (one for one in blocks(source(DMN, "a.dmn")) if one.kind is BlockKind.TABLE)

    assert (table.heading, table.location) == ("Rate", "decision Rate")
    assert table.text == (
        "Hit policy: COLLECT MAX\n| rule | Amount | grade | rate | annotation |\n"
        '| 1 | < 1000 | "A" | 0.05 | small |\n| 2 | >= 1000 | - | 0.04 |  |'
    )


def test_compressed_and_plain_pages_of_drawio_are_read(source: Writes) -> None:
    nodes, edges = tables(source(DRAWIO, "a.drawio")).values()

    assert column(nodes, "page", "type", "name", "pool", "lane") == [
        ("Shipping", "pool", "Warehouse", "Warehouse", None),
        ("Shipping", "lane", "Picking", "Warehouse", "Picking"),
        ("Shipping", "shape", "Pick goods", "Warehouse", "Picking"),
        ("Shipping", "rhombus", "Pack", "Warehouse", "Picking"),
        ("Returns", "shape", "Inspect", None, None),
    ]
    assert json.loads(all_values(nodes)[3]["details"]) == {"layer": "Layer 1", "owner": "Team B"}
    assert column(edges, "source", "target", "name") == [("a", "b", "in time"), ("b", None, "lost")]


def test_a_broken_page_of_drawio_leaves_the_others(source: Writes) -> None:
    broken = DRAWIO.replace("<mxGraphModel>", "!", 1).replace("</mxGraphModel>", "", 1)
    broken = f'<mxfile><diagram name="Bad">AAAA</diagram>{DRAWIO.partition("</diagram>")[2]}'

    found = tables(source(broken, "a.drawio"))["nodes"]

    assert column(found, "name") == [("Inspect",)]
    assert [(one.code, one.location) for one in found.warnings] == [("broken_page", "page Bad")]


def test_visio_shapes_have_the_names_of_their_masters(source: Writes) -> None:
    nodes, edges = tables(source(visio(), "a.vsdx")).values()

    assert column(nodes, "id", "type", "name", "parent") == [
        (1, "Process", "Receive order", None),
        (5, "Group", None, None),
        (6, "Note", "inside", 5),
        (3, "Process", "Step", None),
    ]
    assert json.loads(all_values(nodes)[0]["details"]) == {"Owner": "Ops"}
    assert column(edges, "source", "target", "name", "dangling") == [
        (1, 3, "then", False),
        (3, None, None, True),
    ]


def test_what_a_model_says_of_itself(source: Writes) -> None:
    expected = [
        (BPMN, "a.bpmn", {"title": "Loans", "created_with": "Modeler 5.1"}),
        (DMN, "a.dmn", {"title": "Pricing"}),
        (DRAWIO, "a.dio", {"pages": "2", "created_with": "app"}),
        (visio(), "a.vsdx", {"title": "Orders", "author": "Ann", "pages": "1"}),
    ]
    for content, name, properties in expected:
        assert CONVERTER.properties(source(content, name)) == properties


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (BPMN, "a.bpmn"),
        (BPMN.encode("utf-16"), "a.bpmn2"),
        (DMN, "a.dmn"),
        (DRAWIO, "a.drawio"),
        (DRAWIO, "a.dio"),
        (visio(), "a.vsdx"),
        (BPMN, "a.xml"),
        (DRAWIO, "a.xml"),
        (DRAWIO, "no_suffix"),
    ],
)
def test_the_first_element_tells_a_process_model(
    source: Writes, content: str | bytes, name: str
) -> None:
    if isinstance(content, bytes) and name == "a.bpmn2":
        content = BPMN.replace("UTF-8", "UTF-16").encode("utf-16")
    found = detect(source(content, name), default_converters())

    assert found.converter is not None
    assert found.converter.name == "process_model"
    warned = [warning.code for warning in found.warnings]
    assert warned == (["type_mismatch"] if name == "no_suffix" else [])


def test_other_xml_with_the_suffix_of_a_model_is_none(source: Writes) -> None:
    wsdl = "<?xml version='1.0'?><definitions xmlns='http://schemas.xmlsoap.org/wsdl/'/>"
    found = detect(source(wsdl, "a.bpmn"), default_converters())

    assert found.converter is None or found.converter.name != "process_model"


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>'
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"><process id="&b;"/>'
    "</definitions>"
)
OUTSIDE = BOMB.replace('"aaaaaaaaaa"', 'SYSTEM "file:///etc/hostname"').replace(
    '<process id="&b;"/>', "<process><documentation>&a;</documentation></process>"
)
DEEP = BPMN.partition("<bpmn:process")[0] + "".join(
    [*["<bpmn:process>"] * 250, *["</bpmn:process>"] * 250, "</bpmn:definitions>"]
)
PACKED_BOMB = "<mxfile><diagram>{}</diagram></mxfile>"


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (BOMB, "a.bpmn", "xml_entities"),
        (OUTSIDE, "a.bpmn", "xml_entities"),
        (DEEP, "a.bpmn", "too_deep"),
        (BPMN[:-300], "a.bpmn", "corrupt"),
        (DMN[:-30], "a.dmn", "corrupt"),
        ("<mxfile><diagram>!!!</diagram></mxfile>", "a.drawio", "corrupt"),
        ("<mxfile><diagram/></mxfile>", "a.drawio", "corrupt"),
        (visio()[:-200], "a.vsdx", "corrupt"),
        (visio(page="<PageContents>"), "a.vsdx", "corrupt"),
        (b"PK\x03\x04 no archive", "a.vsdx", "corrupt"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_what_cannot_be_read_safely_is_refused_with_its_reason(
    source: Writes, content: str | bytes, name: str, reason: str
) -> None:
    with pytest.raises(CorruptInput) as refused:
        blocks(source(content, name))
    assert refused.value.reason == reason


def test_a_page_that_unpacks_beyond_measure_is_refused(source: Writes) -> None:
    import base64
    import zlib

    squeezer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    mebibyte = b" " * (1 << 20)
    packed = b"".join(squeezer.compress(mebibyte) for _ in range(65)) + squeezer.flush()
    content = f"<mxfile><diagram>{base64.b64encode(packed).decode()}</diagram></mxfile>"

    with pytest.raises(CorruptInput) as refused:
        blocks(source(content, "a.drawio"))
    assert refused.value.reason == "too_large_inside"


def test_flipped_bytes_are_read_or_refused_and_nothing_else(source: Writes) -> None:
    for at in range(0, len(visio()), 37):
        content = bytearray(visio())
        content[at] ^= 0x55
        try:
            blocks(source(bytes(content), "a.vsdx"))
        except CorruptInput:
            continue


def test_a_damaged_model_is_corrupt_and_never_taken_for_text(source: Writes) -> None:
    for name in ("a.bpmn", "a.dmn", "a.drawio", "a.vsdx"):
        with pytest.raises(CorruptInput):
            detect(source(bytes(range(256)) * 20, name), default_converters())
