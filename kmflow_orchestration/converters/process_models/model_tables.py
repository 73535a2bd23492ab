"""A process model as tables: nodes, edges, decisions, and the rules of each decision."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.converters.memory_table import MemoryTable, Origin
from kmflow_orchestration.converters.process_models.model import (
    Decision,
    Edge,
    Node,
    ProcessModel,
    is_dangling,
)

_NODE = ("id", "type", "name", "page", "pool", "lane", "parent", "x", "y", "width", "height")
_NODE_TEXTS = ("documentation", "details")
_EDGE = ("id", "kind", "source", "target", "name", "condition", "page", "dangling")
_DECISION = ("id", "name", "hit_policy", "expression", "rule_count")


def model_tables(model: ProcessModel, origin: Origin) -> list[MemoryTable]:
    """Those that hold a row; the model's warnings are told with the first."""
    known = model.known_ids
    edges = [_edge_row(one, is_missing_an_end=is_dangling(one, known)) for one in model.edges]
    decisions = [
        (one.id, one.name, one.hit_policy, one.expression, str(len(one.rules)))
        for one in model.decisions
    ]
    parts: list[tuple[str, Sequence[str], Sequence[Sequence[str]]]] = [
        ("nodes", (*_NODE, *_NODE_TEXTS), [_node_row(one) for one in model.nodes]),
        ("edges", _EDGE, edges),
        ("decisions", _DECISION, decisions),
        *_rules(model.decisions),
    ]
    warnings: tuple[ConversionWarning, ...] = model.warnings
    tables = []
    for part, headers, rows in parts:
        if rows:
            tables.append(MemoryTable(part, headers, rows, origin, warnings))
            warnings = ()
    return tables


def _edge_row(edge: Edge, *, is_missing_an_end: bool) -> list[str]:
    return [
        *(edge.id, edge.kind, edge.source, edge.target, edge.name, edge.condition, edge.page),
        str(is_missing_an_end).lower(),
    ]


def _node_row(node: Node) -> list[str]:
    box = node.box
    details = json.dumps(node.details, ensure_ascii=False, sort_keys=True) if node.details else ""
    return [
        *(node.id, node.type, node.name, node.page, node.pool, node.lane, node.parent),
        *(box.x, box.y, box.width, box.height, node.documentation, details),
    ]


def _rules(
    decisions: Sequence[Decision],
) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[str]]]]:
    """A table per decision: each has columns of its own."""
    names = Counter(one.name.casefold() for one in decisions)
    for one in decisions:
        is_shared = names[one.name.casefold()] > 1
        part = f"rules {one.name} {one.id}" if is_shared else f"rules {one.name}"
        # An entry without a column of its own would be lost.
        inputs = max([len(one.inputs), *(len(rule[0]) for rule in one.rules)])
        outputs = max([len(one.outputs), *(len(rule[1]) for rule in one.rules)])
        yield (
            part,
            ("rule", *_filled(one.inputs, inputs), *_filled(one.outputs, outputs), "annotation"),
            [
                (str(number), *_filled(given, inputs), *_filled(result, outputs), note)
                for number, (given, result, note) in enumerate(one.rules, start=1)
            ],
        )


def _filled(cells: Sequence[str], width: int) -> list[str]:
    return [*cells, *[""] * (width - len(cells))]
