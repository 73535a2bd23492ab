"""draw.io: many pages of cells, plain or deflated, base64 and URL-coded."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.converters.process_models.model import Box, Edge, Node, ProcessModel
from kmflow_orchestration.converters.safe_xml import child, children, local_name, parse_xml
from kmflow_orchestration.errors import CorruptInput

_MAX_PAGE_BYTES = 64 << 20
_LABELLED = ("object", "UserObject")
_MARKUP = re.compile(r"<[a-zA-Z/!][^>]*>|&[#\w]+;")


def read_drawio(root: Any) -> ProcessModel:
    """The model of an `mxfile`, or of a bare `mxGraphModel`; a page that is broken is a warning.

    Raises:
        CorruptInput: none of the pages can be read.
    """
    nodes: list[Node] = []
    edges: list[Edge] = []
    warnings: list[ConversionWarning] = []
    diagrams = list(children(root, "diagram")) if local_name(root) == "mxfile" else [root]
    first: CorruptInput | None = None
    for number, diagram in enumerate(diagrams, start=1):
        page = diagram.get("name") or f"Page {number}"
        try:
            reader = _Page(page, list(_cells(_graph(diagram, page))))
        except CorruptInput as error:
            first = first or error
            warnings.append(ConversionWarning("broken_page", error.message, f"page {page}"))
            continue
        nodes += reader.nodes()
        edges += reader.edges()
    if first is not None and len(warnings) == len(diagrams):
        raise first
    properties = {"pages": str(len(diagrams)), "created_with": root.get("host") or ""}
    return ProcessModel(
        "drawio",
        nodes,
        edges,
        warnings=tuple(warnings),
        properties={name: value for name, value in properties.items() if value},
    )


def _graph(diagram: Any, page: str) -> Any:
    """The page's `mxGraphModel`, unpacked if need be."""
    if local_name(diagram) == "mxGraphModel":
        return diagram
    plain = child(diagram, "mxGraphModel")
    if plain is not None:
        return plain
    packed = (diagram.text or "").strip()
    if not packed:
        raise CorruptInput(f"page {page} holds nothing")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = unpacker.decompress(base64.b64decode(packed, validate=True), _MAX_PAGE_BYTES)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise CorruptInput(f"page {page} cannot be unpacked: {error}") from error
    if unpacker.unconsumed_tail:
        raise CorruptInput(f"page {page} unpacks beyond measure", reason=TOO_LARGE)
    return parse_xml(unquote(content.decode("utf-8", "replace")).encode(), f"page {page}")


@dataclass(frozen=True, slots=True)
class _Cell:
    id: str
    value: str
    style: Mapping[str, str]
    parent: str
    source: str
    target: str
    is_edge: bool
    is_vertex: bool
    box: Box
    details: Mapping[str, object]

    @property
    def is_lane(self) -> bool:
        return "swimlane" in self.style or self.style.get("shape") == "swimlane"

    @property
    def type(self) -> str:
        """What the style calls it: `shape=…` or its first bare word."""
        if self.is_lane:
            return "lane"
        bare = next((name for name, value in self.style.items() if not value), "")
        return self.style.get("shape") or bare or "shape"


def _cells(graph: Any) -> Iterator[_Cell]:
    root = child(graph, "root")
    for element in children(root) if root is not None else ():
        name = local_name(element)
        cell = child(element, "mxCell") if name in _LABELLED else element
        if cell is None or local_name(cell) != "mxCell":
            continue
        labelled = element.get("label") if name in _LABELLED else cell.get("value")
        own = {} if cell is element else dict(element.items())
        geometry = child(cell, "mxGeometry")
        sides = ("x", "y", "width", "height")
        yield _Cell(
            element.get("id") or cell.get("id") or "",
            _plain(labelled or ""),
            dict(part.partition("=")[::2] for part in (cell.get("style") or "").split(";") if part),
            cell.get("parent") or "",
            cell.get("source") or "",
            cell.get("target") or "",
            cell.get("edge") == "1",
            cell.get("vertex") == "1",
            Box() if geometry is None else Box(*(geometry.get(side) or "" for side in sides)),
            {key: value for key, value in own.items() if key not in {"id", "label"} and value},
        )


def _plain(label: str) -> str:
    """A label's words: labels may be HTML."""
    if not _MARKUP.search(label):
        return " ".join(label.split())
    from selectolax.lexbor import LexborHTMLParser

    # Lines of a label are words that stand apart.
    parsed = LexborHTMLParser(re.sub(r"<(br|/p|/div|/li)\b[^>]*>", r" \g<0>", label))
    return " ".join(parsed.text().split())


class _Page:
    """Cells of one page, with what each lies in."""

    def __init__(self, name: str, cells: list[_Cell]) -> None:
        self._name = name
        self._cells = cells
        self._by_id = {cell.id: cell for cell in cells}

    def nodes(self) -> list[Node]:
        return [
            self._node(cell) for cell in self._cells if cell.is_vertex and not self._is_label(cell)
        ]

    def _is_label(self, cell: _Cell) -> bool:
        holder = self._by_id.get(cell.parent)
        return holder is not None and holder.is_edge

    def _node(self, cell: _Cell) -> Node:
        lanes = [one for one in self._holders(cell) if one.is_lane]
        own = [cell] if cell.is_lane else []
        within = [one.value for one in (*own, *lanes)]
        is_pool = cell.is_lane and not lanes and self._has_lanes(cell)
        return Node(
            cell.id,
            "pool" if is_pool else cell.type,
            cell.value,
            page=self._name,
            pool=within[-1] if len(within) > 1 or is_pool else "",
            lane="" if is_pool or not within else within[0],
            parent=cell.parent if cell.parent in {one.id for one in self._holders(cell)} else "",
            box=cell.box,
            details={"layer": self._layer(cell), **cell.details}
            if self._layer(cell)
            else cell.details,
        )

    def _has_lanes(self, cell: _Cell) -> bool:
        return any(one.is_lane and one.parent == cell.id for one in self._cells)

    def _holders(self, cell: _Cell) -> list[_Cell]:
        """Vertices around a cell, the nearest first; a circle of parents ends the walk."""
        found: list[_Cell] = []
        at = self._by_id.get(cell.parent)
        while at is not None and at.is_vertex and at not in found:
            found.append(at)
            at = self._by_id.get(at.parent)
        return found

    def _layer(self, cell: _Cell) -> str:
        outermost = (self._holders(cell) or [cell])[-1]
        layer = self._by_id.get(outermost.parent)
        return layer.value if layer is not None and not layer.is_vertex else ""

    def edges(self) -> Iterator[Edge]:
        labels: dict[str, list[str]] = {}
        for cell in self._cells:
            if self._is_label(cell):
                labels.setdefault(cell.parent, []).append(cell.value)
        for cell in self._cells:
            if cell.is_edge:
                said = " ".join(filter(None, (cell.value, *labels.get(cell.id, ()))))
                yield Edge(cell.id, "connector", cell.source, cell.target, said, page=self._name)
