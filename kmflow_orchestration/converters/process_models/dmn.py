"""DMN: decisions with their tables, what they need, and what they are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kmflow_orchestration.converters.process_models.model import (
    Box,
    Decision,
    Edge,
    Node,
    ProcessModel,
)
from kmflow_orchestration.converters.safe_xml import as_data, child, children, local_name, text_of

NAMESPACE = re.compile(r"https?://www\.omg\.org/spec/DMN/\d{8}/")
_NODES = ("decision", "inputData", "businessKnowledgeModel", "knowledgeSource", "decisionService")
_NEEDS = ("informationRequirement", "knowledgeRequirement", "authorityRequirement")
_ABOUT = ("question", "allowedAnswers")


def read_dmn(root: Any) -> ProcessModel:
    """The model below a `definitions` element."""
    boxes = dict(_boxes(root))
    elements = list(children(root, *_NODES))
    nodes = [_node(one, boxes) for one in elements]
    nodes += [_node(one, boxes) for one in children(root, "textAnnotation")]
    edges = [edge for one in elements for edge in _needs(one)]
    edges += list(_associations(root))
    decisions = [_decision(one) for one in elements if local_name(one) == "decision"]
    title = {"title": root.get("name")} if root.get("name") else {}
    return ProcessModel("dmn", nodes, edges, decisions, properties=title)


def _boxes(root: Any) -> Iterator[tuple[str, Box]]:
    for shape in root.iter("{*}DMNShape"):
        bounds = child(shape, "Bounds")
        if bounds is not None:
            sides = (bounds.get(one) or "" for one in ("x", "y", "width", "height"))
            yield _target(shape.get("dmnElementRef")), Box(*sides)


def _node(element: Any, boxes: dict[str, Box]) -> Node:
    identity = element.get("id") or ""
    details: dict[str, object] = {
        local_name(one): text_of(one) for one in children(element, *_ABOUT) if text_of(one)
    }
    variable = child(element, "variable")
    if variable is not None and variable.get("typeRef"):
        details["type"] = variable.get("typeRef")
    extensions = child(element, "extensionElements")
    if extensions is not None:
        details["extensions"] = as_data(extensions)
    return Node(
        identity,
        local_name(element),
        element.get("name") or text_of(child(element, "text")),
        box=boxes.get(identity, Box()),
        documentation=text_of(child(element, "description")),
        details=details,
    )


def _needs(element: Any) -> Iterator[Edge]:
    for need in children(element, *_NEEDS):
        for required in children(need):
            if required.get("href"):
                source = _target(required.get("href"))
                yield Edge(need.get("id") or "", local_name(need), source, element.get("id") or "")


def _associations(root: Any) -> Iterator[Edge]:
    for one in children(root, "association"):
        ends = (child(one, "sourceRef"), child(one, "targetRef"))
        source, target = (_target(end.get("href")) if end is not None else "" for end in ends)
        yield Edge(one.get("id") or "", "association", source, target)


def _target(reference: str | None) -> str:
    """The id of `#id`, `ns:id` or `file.dmn#id`."""
    return re.split("[#:]", reference or "")[-1]


def _decision(element: Any) -> Decision:
    identity, name = element.get("id") or "", element.get("name") or element.get("id") or ""
    table = child(element, "decisionTable")
    if table is None:
        return Decision(identity, name, expression=_expression(element))
    return Decision(
        identity,
        name,
        hit_policy=" ".join(
            filter(None, (table.get("hitPolicy", "UNIQUE"), table.get("aggregation")))
        ),
        inputs=[_input(one) for one in children(table, "input")],
        outputs=[
            one.get("label") or one.get("name") or one.get("typeRef") or name
            for one in children(table, "output")
        ],
        rules=[_rule(one) for one in children(table, "rule")],
    )


def _input(element: Any) -> str:
    expression = child(element, "inputExpression")
    return element.get("label") or text_of(_text_part(expression)) or element.get("id") or ""


def _rule(element: Any) -> tuple[list[str], list[str], str]:
    inputs = [text_of(_text_part(one)) for one in children(element, "inputEntry")]
    outputs = [text_of(_text_part(one)) for one in children(element, "outputEntry")]
    notes = [text_of(one) for one in children(element, "annotationEntry", "description")]
    return inputs, outputs, "; ".join(filter(None, notes))


def _text_part(element: Any | None) -> Any | None:
    return None if element is None else child(element, "text")


def _expression(element: Any) -> str:
    """What decides instead of a table: its own words, of whatever kind it is."""
    for kind in ("literalExpression", "context", "invocation", "list", "relation"):
        found = child(element, kind)
        if found is not None:
            return text_of(found)
    return ""
