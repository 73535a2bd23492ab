"""Visio (.vsdx): shapes with the names of their masters, connectors, and shape data of pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.converters.document_archive import DocumentArchive, open_archive
from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.converters.office_properties import office_properties
from kmflow_orchestration.converters.process_models.model import Box, Edge, Node, ProcessModel
from kmflow_orchestration.converters.safe_xml import child, children, text_of
from kmflow_orchestration.errors import CorruptInput

_PAGES, _MASTERS = "visio/pages/pages.xml", "visio/masters/masters.xml"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_BEGIN, _END = "BeginX", "EndX"


def read_visio(path: Path) -> ProcessModel:
    """Shapes and connectors of all pages; a page that is broken is a warning.

    Raises:
        CorruptInput: a damaged or oversized archive, or none of the pages can be read.
    """
    with open_archive(path) as archive:
        masters = _masters(archive)
        nodes: list[Node] = []
        edges: list[Edge] = []
        warnings: list[ConversionWarning] = []
        pages = list(_pages(archive))
        for name, part in pages:
            try:
                reader = _Page(name, archive.xml(part), masters)
            except CorruptInput as error:
                warnings.append(ConversionWarning("broken_page", error.message, f"page {name}"))
                if len(warnings) == len(pages):
                    raise
                continue
            nodes += reader.nodes
            edges += reader.edges()
        properties = {**office_properties(archive), "pages": str(len(pages))}
    return ProcessModel("visio", nodes, edges, warnings=tuple(warnings), properties=properties)


def _pages(archive: DocumentArchive) -> Iterator[tuple[str, str]]:
    parts = {one.id: one.target for one in archive.relations(_PAGES)}
    for page in children(archive.xml(_PAGES), "Page"):
        relation = child(page, "Rel")
        part = parts.get(relation.get(_RELATION, "") if relation is not None else "", "")
        yield page.get("Name") or page.get("NameU") or f"Page {page.get('ID')}", part


@dataclass(frozen=True, slots=True)
class _Master:
    name: str
    text: str


def _masters(archive: DocumentArchive) -> dict[str, _Master]:
    """Masters by id: their names, and the text their shapes have unless they have their own."""
    if _MASTERS not in archive.names:
        return {}
    parts = {one.id: one.target for one in archive.relations(_MASTERS)}
    found = {}
    for master in children(archive.xml(_MASTERS), "Master"):
        relation = child(master, "Rel")
        part = parts.get(relation.get(_RELATION, "") if relation is not None else "", "")
        text = ""
        if part in archive.names:
            shapes = child(archive.xml(part), "Shapes")
            first = None if shapes is None else child(shapes, "Shape")
            text = "" if first is None else text_of(child(first, "Text"))
        name = master.get("Name") or master.get("NameU") or ""
        found[master.get("ID") or ""] = _Master(name, text)
    return found


class _Page:
    """Shapes of one page; those that glue two ends are edges."""

    def __init__(self, name: str, root: Any, masters: Mapping[str, _Master]) -> None:
        self._name = name
        self._masters = masters
        self._glue = _glue(root)
        self._connectors: list[Any] = []
        self.nodes: list[Node] = []
        self._walk(child(root, "Shapes"), parent="")

    def _walk(self, shapes: Any | None, parent: str) -> None:
        for shape in children(shapes, "Shape") if shapes is not None else ():
            identity = shape.get("ID") or ""
            if self._is_connector(shape):
                self._connectors.append(shape)
                continue
            self.nodes.append(self._node(shape, parent))
            self._walk(child(shape, "Shapes"), identity)

    def _is_connector(self, shape: Any) -> bool:
        return (
            (shape.get("ID") or "") in self._glue
            or _cell(shape, _BEGIN) != ""
            or "connector" in self._master(shape).name.lower()
        )

    def _master(self, shape: Any) -> _Master:
        return self._masters.get(shape.get("Master") or "", _Master("", ""))

    def _node(self, shape: Any, parent: str) -> Node:
        master = self._master(shape)
        kind = (
            master.name or shape.get("NameU") or shape.get("Name") or shape.get("Type") or "shape"
        )
        width, height = _cell(shape, "Width"), _cell(shape, "Height")
        return Node(
            shape.get("ID") or "",
            kind.partition(".")[0],
            text_of(child(shape, "Text")) or master.text,
            page=self._name,
            parent=parent,
            box=Box(_cell(shape, "PinX"), _cell(shape, "PinY"), width, height),
            details=_shape_data(shape),
        )

    def edges(self) -> Iterator[Edge]:
        for shape in self._connectors:
            identity = shape.get("ID") or ""
            ends = self._glue.get(identity, {})
            text = text_of(child(shape, "Text")) or self._master(shape).text
            yield Edge(
                identity,
                "connector",
                ends.get(_BEGIN, ""),
                ends.get(_END, ""),
                text,
                page=self._name,
            )


def _glue(root: Any) -> dict[str, dict[str, str]]:
    """Connector → which of its ends is glued to which shape."""
    found: dict[str, dict[str, str]] = {}
    connects = child(root, "Connects")
    for one in children(connects, "Connect") if connects is not None else ():
        if one.get("FromCell") in (_BEGIN, _END):
            found.setdefault(one.get("FromSheet") or "", {})[one.get("FromCell")] = (
                one.get("ToSheet") or ""
            )
    return found


def _cell(holder: Any, name: str) -> str:
    return next(
        (one.get("V") or "" for one in children(holder, "Cell") if one.get("N") == name), ""
    )


def _shape_data(shape: Any) -> Mapping[str, object]:
    """Data that people gave a shape, by its label."""
    found: dict[str, object] = {}
    for section in children(shape, "Section"):
        if section.get("N") == "Property":
            for row in children(section, "Row"):
                if value := _cell(row, "Value"):
                    found[_cell(row, "Label") or row.get("N") or ""] = value
    return found
