"""Process models (BPMN, DMN, draw.io, Visio): text lane by lane, and tables of nodes and edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from kmflow_orchestration.converters.content_look import Container, container_of, look_at
from kmflow_orchestration.converters.document_tables import document_reading
from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import (
    ConvertedTable,
    DocumentReading,
    OutputKind,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.kinds import FileConverter
from kmflow_orchestration.converters.process_models import bpmn, dmn
from kmflow_orchestration.converters.process_models.drawio import read_drawio
from kmflow_orchestration.converters.process_models.model import ProcessModel
from kmflow_orchestration.converters.process_models.model_tables import model_tables
from kmflow_orchestration.converters.process_models.model_text import model_blocks
from kmflow_orchestration.converters.process_models.visio import read_visio
from kmflow_orchestration.converters.safe_xml import parse_xml, root_name
from kmflow_orchestration.errors import CorruptInput

# A drawing of a whole company is some megabytes; a tree of more would fill the memory.
_MAX_XML_BYTES = 256 << 20


class ProcessModelConverter(FileConverter):
    """Told by the vocabulary of the file's first element, whatever its suffix."""

    name: ClassVar[str] = "process_model"
    version: ClassVar[str] = "2"
    media_types: ClassVar[tuple[str, ...]] = (
        "application/xml",
        "application/vnd.ms-visio.drawing",
    )
    suffixes: ClassVar[tuple[str, ...]] = (".bpmn", ".bpmn2", ".dmn", ".drawio", ".dio", ".vsdx")
    output: ClassVar[OutputKind] = OutputKind.BOTH
    libraries: ClassVar[tuple[str, ...]] = ("lxml",)
    # Of XML in general, ours is what is ours by its vocabulary.
    priority: ClassVar[int] = 1

    def detect(self, source: Source, head: bytes) -> float:
        """Sure of a known first element or of Visio's own members."""
        look = look_at(head)
        if look.is_container:
            if container_of(source.path, head) is Container.VSDX:
                return 1.0
            return 0.6 if source.suffix == ".vsdx" and head.startswith(b"PK") else 0.0
        return 1.0 if look.is_text and _notation(root_name(head)) else 0.0

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[ConvertedTable]:
        """`nodes`, `edges`, and for DMN `decisions` and the rules of each."""
        origin = self.origin(source)
        return model_tables(_read(source.path), origin)

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """Lanes with their steps in the order they are taken, and where each leads."""
        return model_blocks(_read(source.path))

    def read_document(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> DocumentReading:
        """See ReadsDocuments."""
        model = _read(source.path)
        origin = self.origin(source)
        return document_reading(model_blocks(model), model.properties, origin)

    def properties(self, source: Source) -> Mapping[str, str]:
        """See DescribesDocuments."""
        return _read(source.path).properties


def _notation(root: str) -> str:
    """`bpmn`, `dmn` or `drawio` by a file's first element; '' for any other."""
    namespace, _, name = root.removeprefix("{").rpartition("}")
    if name in ("mxfile", "mxGraphModel"):
        return "drawio"
    if name != "definitions":
        return ""
    if namespace == bpmn.NAMESPACE:
        return "bpmn"
    return "dmn" if dmn.NAMESPACE.match(namespace) else ""


def _read(path: Path) -> ProcessModel:
    with refusals_of("process model"):
        with path.open("rb") as stream:
            content = stream.read(4)
            if content == b"PK\x03\x04":
                return read_visio(path)
            content += stream.read(_MAX_XML_BYTES)
        if len(content) > _MAX_XML_BYTES:
            raise CorruptInput("a model of more than 256 MiB", reason=TOO_LARGE)
        root = parse_xml(content, "the model")
        notation = _notation(root.tag)
        readers = {"bpmn": bpmn.read_bpmn, "dmn": dmn.read_dmn, "drawio": read_drawio}
        if notation not in readers:
            raise CorruptInput(f"{root.tag} is of no notation of process models")
        return readers[notation](root)
