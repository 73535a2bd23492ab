"""Rows as asked for: strategies, arrays, record paths and documents that are broken (row D28)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.converters.gathered_table import GatheredTable
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.record_cells import MAX_CELL_CHARACTERS
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.converters.xml_items import Item
from kmflow_orchestration.converters.xml_records import XmlConverter
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values, rows, types
from kmflow_orchestration_tests.converters.test_xml_records import Node, codes, headers, trees

Opens = Callable[..., list[GatheredTable]]
STRATEGIES = ("conservative", "moderate", "aggressive")
ARRAYS = ("expand", "concatenate", "json_string")
NINE = list(product(STRATEGIES, ARRAYS))
SHOP = """<shop made="2026-11-20"><title>Books</title>
<order id="1"><who>Ana</who><tag>x</tag><tag>y|z\\</tag>
 <line no="1"><sku>A</sku><note>n1</note><note>n2</note></line><line no="2"><sku>B</sku></line>
</order>
<order id="2"><who>Bo</who><line no="3"><sku>C</sku></line></order>
<remark>r1</remark><remark>r2</remark>
</shop>"""
MADE = date(2026, 11, 20)


@pytest.fixture
def opened(source: Writes) -> Opens:
    def open_xml(content: str | bytes, name: str = "shop.xml", **options: Any) -> Any:
        return XmlConverter().open_tables(source(content, name), options)

    return open_xml


def everything(tables: list[GatheredTable]) -> list[Any]:
    return [(table.part, headers(table), rows(table)) for table in tables]


def test_the_nine_ways_give_nine_results(opened: Opens) -> None:
    found = {
        pair: everything(opened(SHOP, flatten_strategy=pair[0], array_handling=pair[1]))
        for pair in NINE
    }

    assert [pair for pair in combinations(NINE, 2) if found[pair[0]] == found[pair[1]]] == []


def test_conservative_keeps_tables_and_takes_plain_arrays_into_cells(opened: Opens) -> None:
    root, order, line = opened(SHOP, array_handling="concatenate")

    assert (headers(root), rows(root)) == (
        ["_id", "@made", "title", "remark"],
        [(1, MADE, "Books", "r1 | r2")],
    )
    assert rows(order) == [(1, 1, 1, "Ana", "x | y\\|z\\\\"), (2, 1, 2, "Bo", None)]
    assert rows(line)[0] == (1, 1, 1, "A", "n1 | n2")


def test_moderate_has_a_table_of_the_outermost_elements(opened: Opens) -> None:
    root, order, remark = opened(SHOP, flatten_strategy="moderate")

    assert rows(root) == [(1, MADE, "Books")]
    assert (order.part, headers(order)) == (
        "order",
        ["_id", "_parent_id", "@id", "who", "tag", "line@no", "line_sku", "line_note"],
    )
    # Nothing is said twice, so that sums stay right.
    assert rows(order) == [
        (1, 1, 1, "Ana", "x", 1, "A", "n1"),
        (1, 1, None, None, "y|z\\", None, None, "n2"),
        (1, 1, None, None, None, 2, "B", None),
        (2, 1, 2, "Bo", None, 3, "C", None),
    ]
    assert [row["_source_row"] for row in all_values(order)] == [1, 2, 3, 4]
    assert rows(remark) == [(1, 1, "r1"), (2, 1, "r2")]


def test_arrays_as_json_keep_what_belongs_together(opened: Opens) -> None:
    order = opened(SHOP, flatten_strategy="moderate", array_handling="json_string")[1]

    assert [json.loads(value) if value else None for value in rows(order)[0][-2:]] == [
        ["x", "y|z\\"],
        [{"@no": "1", "sku": "A", "note": ["n1", "n2"]}, {"@no": "2", "sku": "B"}],
    ]


def test_aggressive_repeats_what_stands_around_along_one_path(opened: Opens) -> None:
    order, tag, remark = opened(SHOP, flatten_strategy="aggressive")

    assert headers(order) == [
        *("_id", "shop@made", "shop_title", "@id", "who"),
        *("_id_2", "line@no", "line_sku", "_id_3", "line_note"),
    ]
    around = (MADE, "Books", 1, "Ana")
    assert rows(order) == [
        (1, *around, 1, 1, "A", 1, "n1"),
        (1, *around, 1, 1, "A", 2, "n2"),
        (1, *around, 2, 2, "B", None, None),
        (2, MADE, "Books", 2, "Bo", 3, 3, "C", None, None),
    ]
    assert (tag.part, rows(tag)) == ("order.tag", [(1, 1, "x"), (2, 1, "y|z\\")])
    assert (remark.part, rows(remark)) == ("remark", [(1, "r1"), (2, "r2")])


def test_a_wide_table_has_a_row_for_a_document_without_any(opened: Opens) -> None:
    (table,) = opened("<a k='1'><b>x</b><b>y</b></a><a k='2'/>", flatten_strategy="aggressive")

    assert headers(table) == ["_id", "_document_id", "_document_index", "a@k", "#text"]
    assert rows(table) == [(1, 1, 0, 1, "x"), (2, 1, 0, 1, "y"), (3, 2, 1, 2, None)]


def test_a_wide_table_that_would_repeat_without_measure_is_refused(opened: Opens) -> None:
    content = f"<a><t>{'x' * 300_000}</t>{'<b>1</b>' * 500}</a>"
    with pytest.raises(CorruptInput) as error:
        opened(content, flatten_strategy="aggressive")

    assert (error.value.reason, "--flatten-strategy" in error.value.hint) == (
        "too_large_inside",
        True,
    )
    assert len(opened(content)) == 2


def test_what_a_row_keeps_in_memory_is_bounded() -> None:
    item = Item()
    item.grow(MAX_CELL_CHARACTERS)
    with pytest.raises(CorruptInput) as error:
        item.grow(1)

    assert error.value.reason == "too_large_inside"


@pytest.mark.parametrize(
    ("path", "parts", "left_out"),
    [
        ("/shop/order", ["order", "order.tag", "order.line", "order.line.note"], 4),
        ("order", ["order", "order.tag", "order.line", "order.line.note"], 4),
        ("//line", ["order.line", "order.line.note"], 10),
        ("/shop/*/line/sku", ["order.line.sku"], 15),
        ("/shop", ["", "order", "order.tag", "order.line", "order.line.note", "remark"], 0),
    ],
)
def test_a_record_path_picks_the_rows(
    opened: Opens, path: str, parts: list[str], left_out: int
) -> None:
    tables = opened(SHOP, record_path=path)

    assert [table.part for table in tables] == parts
    assert "_parent_id" not in headers(tables[0])
    told = [warning for table in tables for warning in table.warnings]
    assert [one.message.split()[0] for one in told] == ([str(left_out)] if left_out else [])


def test_a_record_path_goes_with_a_strategy(opened: Opens) -> None:
    (line,) = opened(
        SHOP, record_path="//line", flatten_strategy="moderate", array_handling="concatenate"
    )

    assert rows(line) == [(1, 1, "A", "n1 | n2"), (2, 2, "B", None), (3, 3, "C", None)]


def test_a_record_path_takes_prefixes_as_they_stand(opened: Opens) -> None:
    content = '<a xmlns="urn:u" xmlns:p="urn:v"><b>1</b><p:b>2</p:b><c><p:b>3</p:b></c></a>'

    assert [rows(one) for one in opened(content, record_path="/a/p:b")] == [[(1, 2)]]
    assert [rows(one) for one in opened(content, record_path="/a/b")] == [[(1, 1)], [(1, 2)]]
    assert [rows(one) for one in opened(content, record_path="//p:b")] == [[(1, 2)], [(1, 3)]]


def test_a_record_path_to_nothing_is_told(opened: Opens) -> None:
    with pytest.raises(CorruptInput, match="nothing lies at record_path '/shop/orders'"):
        opened(SHOP, record_path="/shop/orders")


@pytest.mark.parametrize(
    "options",
    [
        {"record_path": "/shop/order[1]"},
        {"record_path": "/shop/"},
        {"record_path": "///order"},
        {"record_path": "a.b"},
        {"flatten_strategy": "x"},
        {"array_handling": "x"},
        {"bad_lines": "x"},
    ],
    ids=str,
)
def test_what_no_option_takes_is_refused(opened: Opens, options: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        opened(SHOP, **options)


def test_names_that_clash_without_their_namespace_are_numbered(opened: Opens) -> None:
    content = '<a xmlns="urn:u" xmlns:p="urn:v">{}</a>'.format(
        "<r><b>1</b><p:b>2</p:b></r><r><p:b>3</p:b></r>"
    )
    (plain,) = opened(content)
    (in_cells,) = opened(
        f"<x>{content}</x>",
        flatten_strategy="moderate",
        record_path="/x",
        array_handling="json_string",
    )

    assert (list(types(plain)), rows(plain)) == (["_id", "b", "b_2"], [(1, 1, 2), (2, None, 3)])
    assert json.loads(rows(in_cells)[0][1]) == [{"b": "1", "b_2": "2"}, {"b_2": "3"}]


DECLARED = "<?xml version='1.0'?>"
THREE = f"{DECLARED}<a><b>1</b><b>2</b></a>\n{DECLARED}<a><b>\n<b/></a>\n{DECLARED}<a><b>3</b></a>"


@pytest.mark.parametrize(
    ("content", "good", "bad"),
    [
        (
            THREE,
            [(1, 1, 0, 1), (2, 1, 0, 2), (3, 3, 2, 3)],
            [(2, 1, 2, f"{DECLARED}<a><b>\n<b/></a>\n")],
        ),
        # The first is cut off, by the next; the last by the end.
        (
            f"{DECLARED}<a><b>1</b>\n{DECLARED}<a><b>2</b><b>2</b></a><a><b>",
            [(1, 2, 1, 2), (2, 2, 1, 2)],
            [(1, 0, 1, f"{DECLARED}<a><b>1</b>\n"), (3, 2, 2, "<a><b>")],
        ),
    ],
    ids=["in the middle", "cut off"],
)
def test_one_bad_document_of_several_is_set_apart(
    opened: Opens, content: str, good: list[Any], bad: list[Any]
) -> None:
    table, rejected = opened(content)

    assert (headers(table), rows(table)) == (
        ["_id", "_document_id", "_document_index", "#text"],
        good,
    )
    assert rejected.part == "rejected_documents"
    assert [(*row[:3], row[4]) for row in rows(rejected)] == bad
    assert all("not well-formed" in row[3] for row in rows(rejected))
    assert codes(table) == ["documents_skipped"]
    with pytest.raises(CorruptInput, match="not well-formed"):
        opened(content, bad_lines="fail")


def test_a_bad_document_may_count_as_a_rejected_row(opened: Opens) -> None:
    content = THREE.replace("<a>", "<r><a>").replace("</a>", "</a><c/><c>1</c></r>")
    (first, second) = opened(content, bad_lines="reject")

    assert (first.receipt.rows_rejected, second.receipt.rows_rejected) == (1, 0)
    assert first.receipt.adds_up
    (rejected,) = first.rejected_rows()
    assert json.loads(rejected.raw) == f"{DECLARED}<r><a><b>\n<b/></a><c/><c>1</c></r>\n"
    assert (rejected.source_row, "line 3" in rejected.reason) == (2, True)
    # Whichever table is asked for, it is told.
    assert codes(first) == codes(second) == ["documents_skipped"]
    assert f"among the rejected rows of {first.part}" in second.warnings[0].message


def test_what_a_bad_document_repeats_shapes_no_table(opened: Opens) -> None:
    (table, _) = opened(f"<a><b>1</b></a>{DECLARED}<a><b>2</b><b>3</b>{DECLARED}<a><b>4</b></a>")

    assert (headers(table), rows(table)) == (
        ["_id", "_document_id", "_document_index", "b"],
        [(1, 1, 0, 1), (2, 3, 2, 4)],
    )


def _unescaped(joined: str) -> Iterator[str]:
    for one in joined.split(" | "):
        yield re.sub(r"\\(.)", r"\1", one)


def _leaves(value: Any) -> Iterator[str]:
    """Texts in a JSON value."""
    if isinstance(value, str):
        yield value
    else:
        for inner in value if isinstance(value, list) else value.values():
            yield from _leaves(inner)


def _said(tables: list[GatheredTable], arrays: str) -> Iterator[str]:
    for table in tables:
        for row in all_values(table, dict.fromkeys(types(table), STRING)):
            for name, value in row.items():
                if value is None or re.fullmatch(r"_id|_parent_id|_source_row|_id_[0-9]+", name):
                    continue
                if arrays == "concatenate":
                    yield from _unescaped(value)
                elif arrays == "json_string" and value.startswith("["):
                    yield from _leaves(json.loads(value))
                else:
                    yield value


def _without_marks(node: Node) -> Node:
    """Where no text looks like a list of texts."""
    clean = {ord(mark): "!" for mark in "|\\[{"}
    return Node(
        node.tag,
        {key: value.translate(clean) for key, value in node.attributes.items()},
        [
            one.translate(clean) if isinstance(one, str) else _without_marks(one)
            for one in node.content
        ],
    )


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=trees, pair=st.sampled_from(NINE[1:]))
def test_of_any_tree_no_value_is_lost_whatever_is_asked_for(
    tmp_path: Path, tree: Node, pair: tuple[str, str]
) -> None:
    tree = _without_marks(tree)
    path = tmp_path / "any.xml"
    path.write_text(tree.xml(), encoding="utf-8", newline="")
    options = {"flatten_strategy": pair[0], "array_handling": pair[1]}
    tables = list(XmlConverter().open_tables(Source(path, "any.xml"), options))

    found, expected = Counter(_said(tables, pair[1])), Counter(tree.values())
    if pair[0] == "aggressive":
        assert found.keys() == expected.keys()
        assert found >= expected
    else:
        assert found == expected
    assert all(table.receipt.adds_up for table in tables)
