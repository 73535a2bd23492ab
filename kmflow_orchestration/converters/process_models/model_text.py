"""A process model as text: lane by lane, its steps in the order they are taken, then the flows."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping

from kmflow_orchestration.converters.interface import BlockKind, TextBlock
from kmflow_orchestration.converters.process_models.model import (
    Decision,
    Edge,
    Node,
    ProcessModel,
    is_dangling,
    readable,
)
from kmflow_orchestration.converters.text_tables import as_text

DANGLING = "dangling"
_FRAMES = frozenset({"pool", "process", "lane"})
_NOTES = frozenset({"textAnnotation", "note"})
_NOWHERE = "(nothing)"

_Key = tuple[str, str]
_Place = tuple[str, str, str]


def model_blocks(model: ProcessModel) -> Iterator[TextBlock]:
    """Blocks in reading order; a flow that ends nowhere is flagged."""
    nodes = {(node.page, node.id): node for node in model.nodes}
    ranks = _ranks(model)
    flows = _flows_by_place(model, nodes)
    members_of: dict[_Place, list[Node]] = {}
    for node in model.nodes:
        members_of.setdefault(_place(node), []).append(node)
    known = model.known_ids
    for place in dict.fromkeys([*members_of, *flows]):
        members = members_of.get(place, [])
        yield from _heading(place)
        yield from (_frame(node, place) for node in members if _says_something(node))
        steps = [node for node in members if node.type not in _FRAMES]
        steps.sort(key=lambda node: ranks[node.page, node.id])
        yield from (_step(node, place) for node in steps)
        yield from (_flow(edge, place, known, nodes) for edge in flows.get(place, ()))
    for decision in model.decisions:
        yield from _decision(decision)


def _place(node: Node) -> _Place:
    return (node.page, node.pool, node.lane)


def _flows_by_place(model: ProcessModel, nodes: Mapping[_Key, Node]) -> dict[_Place, list[Edge]]:
    """Each flow where it begins, or ends if it begins nowhere."""
    found: dict[_Place, list[Edge]] = {}
    for edge in model.edges:
        ends = (nodes.get((edge.page, end)) for end in (edge.source, edge.target))
        node = next(filter(None, ends), None)
        place = (edge.page, "", "") if node is None else _place(node)
        found.setdefault(place, []).append(edge)
    return found


def _ranks(model: ProcessModel) -> dict[_Key, int]:
    """Steps in the order in which flows reach them, from those that none leads to."""
    after: dict[_Key, list[_Key]] = {}
    for edge in model.edges:
        after.setdefault((edge.page, edge.source), []).append((edge.page, edge.target))
    led_to = {key for keys in after.values() for key in keys}
    keys = [(node.page, node.id) for node in model.nodes]
    for node in model.nodes:
        # The first step inside another comes after it; so does an event on its border.
        if node.parent and (node.page, node.id) not in led_to:
            after.setdefault((node.page, node.parent), []).append((node.page, node.id))
            led_to.add((node.page, node.id))
    ranks: dict[_Key, int] = {}
    # A circle has no beginning: then the file's own order begins it.
    waiting = deque([*(key for key in keys if key not in led_to), *keys])
    known = set(keys)
    starts = len(waiting) - len(keys)
    order = deque(waiting.popleft() for _ in range(starts))
    while order or waiting:
        key = order.popleft() if order else waiting.popleft()
        if key in ranks or key not in known:
            continue
        ranks[key] = len(ranks)
        order.extend(after.get(key, ()))
    return ranks


def _title(place: _Place) -> str:
    return " / ".join(part for part in place if part)


def _location(place: _Place) -> str:
    page, pool, lane = place
    if lane:
        return f"lane {lane}"
    return f"pool {pool}" if pool else f"page {page}" if page else ""


def _heading(place: _Place) -> Iterator[TextBlock]:
    if title := _title(place):
        yield TextBlock(BlockKind.HEADING, title, title, _location(place))


def _says_something(node: Node) -> bool:
    return node.type in _FRAMES and bool(node.documentation)


def _frame(node: Node, place: _Place) -> TextBlock:
    return TextBlock(BlockKind.PARAGRAPH, node.documentation, _title(place), _location(place))


def _step(node: Node, place: _Place) -> TextBlock:
    kind = BlockKind.NOTE if node.type in _NOTES else BlockKind.STEP
    lines = [_called(node, with_type=True), node.documentation]
    lines += [f"{readable(name)}: {_shown(value)}" for name, value in node.details.items()]
    return TextBlock(kind, "\n".join(filter(None, lines)), _title(place), _location(place))


def _called(node: Node, *, with_type: bool = False) -> str:
    kind = readable(node.type)
    if not node.name:
        return kind
    # Diagrams break long names into lines.
    name = " ".join(node.name.split())
    return f"{kind}: {name}" if with_type else name


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flow(
    edge: Edge, place: _Place, known: frozenset[_Key], nodes: Mapping[_Key, Node]
) -> TextBlock:
    source, target = (_end(nodes.get((edge.page, end)), end) for end in (edge.source, edge.target))
    said = ", ".join(filter(None, (edge.name, edge.condition and f"if {edge.condition}")))
    text = f"{source} → {target}" + (f" ({said})" if said else "")
    flags = (DANGLING,) if is_dangling(edge, known) else ()
    return TextBlock(BlockKind.FLOW, text, _title(place), _location(place), flags)


def _end(node: Node | None, identity: str) -> str:
    return _called(node) if node is not None else identity or _NOWHERE


def _decision(decision: Decision) -> Iterator[TextBlock]:
    location = f"decision {decision.name}"
    title = decision.name
    yield TextBlock(BlockKind.HEADING, title, title, location)
    if decision.expression:
        yield TextBlock(BlockKind.PARAGRAPH, decision.expression, title, location)
    if decision.rules:
        policy = f"Hit policy: {decision.hit_policy}"
        header = ["rule", *decision.inputs, *decision.outputs, "annotation"]
        rows = [
            [str(number), *inputs, *outputs, note]
            for number, (inputs, outputs, note) in enumerate(decision.rules, start=1)
        ]
        table = as_text([header, *rows])
        yield TextBlock(BlockKind.TABLE, f"{policy}\n{table}", title, location)
