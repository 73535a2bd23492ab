"""Which converter a file belongs to: content first, the suffix second (row D21)."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.converters.content_look import (
    HEAD_BYTES,
    Container,
    container_of,
    look_at,
)
from kmflow_orchestration.converters.converter_registry import ConverterRegistry
from kmflow_orchestration.converters.interface import (
    ConversionWarning,
    Converter,
    OutputKind,
    Source,
)
from kmflow_orchestration.converters.packed_source import (
    PACKED_SUFFIXES,
    inner_source,
    is_packed,
    unpacked_head,
)
from kmflow_orchestration.errors import CorruptInput

_CERTAIN = 0.9
# Text formats that have no converter yet; without this list they would be read as prose.
_TEXT_SUFFIXES = frozenset(
    {
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
        ".sql",
        ".log",
        ".vtt",
        ".srt",
        ".tex",
        ".rst",
        ".ics",
        ".vcf",
        ".py",
        ".r",
        ".ipynb",
    }
)
# Text of a converter of ours that must at least be text.
_READ_TEXT_SUFFIXES = frozenset(
    {
        *(".csv", ".tsv", ".tab", ".txt", ".md", ".html", ".htm", ".xhtml"),
        *(".json", ".jsonl", ".ndjson", ".xml"),
        *(".eml", ".mbox"),
        *(".bpmn", ".bpmn2", ".dmn", ".drawio", ".dio"),
    }
)
# Formats that always begin with a signature: without it the file is damaged.
_SIGNED_SUFFIXES = frozenset(
    {
        ".pdf",
        ".rtf",
        ".png",
        ".jpg",
        ".jpeg",
        ".gif",
        ".tif",
        ".tiff",
        ".webp",
        ".zip",
        ".7z",
        *PACKED_SUFFIXES,
        ".docx",
        ".docm",
        ".pptx",
        ".pptm",
        ".xlsx",
        ".xlsm",
        ".xlsb",
        ".odt",
        ".ods",
        ".odp",
        ".doc",
        ".xls",
        ".ppt",
        ".msg",
        ".vsdx",
        ".vsd",
        ".parquet",
        ".mp3",
        ".mp4",
        ".mov",
        ".m4a",
        ".wav",
        *(".flac", ".ogg", ".oga", ".m4v", ".mkv", ".webm", ".avi", ".bmp", ".heic", ".heif"),
        *(".avro", ".sav", ".zsav", ".por", ".dta", ".sas7bdat", ".xpt"),
        *(".mdb", ".accdb"),
    }
)
# Signatures puremagic knows that random bytes meet as well are shorter than this.
_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Detection:
    """`converter` is None for sound content that no converter takes yet."""

    converter: Converter | None
    warnings: tuple[ConversionWarning, ...] = ()


def detect(source: Source, registry: ConverterRegistry) -> Detection:
    """The converter for a file.

    Raises:
        CorruptInput: content that is not what its name promises, and no other known type either.
    """
    with source.path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    by_suffix = registry.for_source(source)
    asked = registry.concerned(source, head)
    sure = {converter: converter.detect(source, head) for converter in asked}
    best = max(
        sure,
        key=lambda converter: (sure[converter], converter.priority, converter is by_suffix),
        default=None,
    )
    if best is not None and best is by_suffix and sure[best] > 0:
        return Detection(best)
    if best is not None and sure[best] >= _CERTAIN and not _is_other_text(source, best):
        # XML that is a process model, too, is what its name promises.
        is_promised = (by_suffix is not None and sure.get(by_suffix, 0.0) >= _CERTAIN) or (
            # `.gz` alone promises nothing of what was compressed.
            by_suffix is None and is_packed(head) and source.suffix in PACKED_SUFFIXES
        )
        return Detection(best, () if is_promised else (_mismatch(source, best.name),))
    if by_suffix is not None and sure.get(by_suffix, 0.0) > 0:
        return Detection(by_suffix)
    return _without_converter(source, head)


def _is_other_text(source: Source, found: Converter) -> bool:
    """Lines of a log or of code may line up like a table; their suffix knows better."""
    return inner_source(source).suffix in _TEXT_SUFFIXES and found.output is OutputKind.TABLES


def _mismatch(source: Source, found: str) -> ConversionWarning:
    told = f"the name ends in {source.suffix or 'nothing'}, the content is {found}"
    return ConversionWarning("type_mismatch", told)


def _without_converter(source: Source, head: bytes) -> Detection:
    if is_packed(head) and not unpacked_head(source.path, head, HEAD_BYTES):
        raise CorruptInput("the compressed file is damaged, or nothing is in it")
    look = look_at(head)
    known = look.announced or _known_container(source, head) or _known_signature(head)
    if known or is_packed(head):
        return Detection(None)
    if look.is_text and source.suffix not in _SIGNED_SUFFIXES:
        return Detection(None)
    if not look.is_text and source.suffix and not _must_be_known(source):
        return Detection(None)
    raise CorruptInput(
        f"the content is no {source.suffix.lstrip('.') or 'known type'}, nor of another known type",
        hint="the file may be damaged or have the wrong suffix",
    )


def _known_container(source: Source, head: bytes) -> str:
    found = container_of(source.path, head)
    # A zip or OLE file whose members cannot be listed is damaged, whatever its suffix says.
    return "" if found is Container.ZIP and source.suffix != ".zip" else found.value


def _must_be_known(source: Source) -> bool:
    return source.suffix in _SIGNED_SUFFIXES | _TEXT_SUFFIXES | _READ_TEXT_SUFFIXES


def _known_signature(head: bytes) -> str:
    import puremagic

    if look_at(head).is_text:
        return ""
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return ""
    return next((match.extension for match in found if match.confidence >= _CONFIDENCE), "")
