"""What every notation of process models comes down to: steps, connections, decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kmflow_orchestration.converters.interface import ConversionWarning


@dataclass(frozen=True, slots=True)
class Box:
    """Where a step stands in its diagram, in the diagram's own units, as the file has them."""

    x: str = ""
    y: str = ""
    width: str = ""
    height: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A step, an event, a gateway, a piece of data, a lane, a pool or a shape.

    `page` is the diagram or process it lies in, `parent` the id of what holds it. `details` are
    what the notation says besides, for JSON.
    """

    id: str
    type: str
    name: str = ""
    page: str = ""
    pool: str = ""
    lane: str = ""
    parent: str = ""
    box: Box = Box()
    documentation: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """A connection; an end that leads nowhere has the id the file names, or ''."""

    id: str
    kind: str
    source: str = ""
    target: str = ""
    name: str = ""
    condition: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision's logic: a table with a row of texts per rule, or one expression."""

    id: str
    name: str
    hit_policy: str = ""
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    rules: Sequence[tuple[Sequence[str], Sequence[str], str]] = ()
    """Texts of the inputs, those of the outputs, and the annotations."""
    expression: str = ""


@dataclass(frozen=True, slots=True)
class ProcessModel:
    """All of a file, in the file's order."""

    notation: str
    nodes: Sequence[Node] = ()
    edges: Sequence[Edge] = ()
    decisions: Sequence[Decision] = ()
    warnings: tuple[ConversionWarning, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def known_ids(self) -> frozenset[tuple[str, str]]:
        """What an edge may end at, with its page; an annotation may hang on an edge."""
        nodes = {(one.page, one.id) for one in self.nodes if one.id}
        return frozenset(nodes | {(one.page, one.id) for one in self.edges if one.id})


def is_dangling(edge: Edge, known: frozenset[tuple[str, str]]) -> bool:
    """Whether an end of an edge is missing from the model."""
    return any((edge.page, end) not in known for end in (edge.source, edge.target))


def readable(type_name: str) -> str:
    """`userTask` as `User task`."""
    words = "".join(f" {char.lower()}" if char.isupper() else char for char in type_name)
    return words.strip().capitalize()
