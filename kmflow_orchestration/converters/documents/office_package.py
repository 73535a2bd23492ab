"""What Word and PowerPoint packages have in common."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kmflow_orchestration.converters.content_look import (
    HEAD_BYTES,
    Container,
    container_of,
    look_at,
)
from kmflow_orchestration.converters.document_archive import DocumentArchive, open_archive
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import BlockKind, Source, TextBlock
from kmflow_orchestration.converters.safe_xml import children, local_name
from kmflow_orchestration.errors import CorruptInput

RELATIONSHIPS = (
    "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}",
    "{http://purl.oclc.org/ooxml/officeDocument/relationships}",
)


def sureness(source: Source, head: bytes, *, own: Container, suffixes: tuple[str, ...]) -> float:
    """Sure of the members of its own kind; less of a broken or encrypted container so named."""
    if not look_at(head).is_container:
        return 0.0
    if container_of(source.path, head) is own:
        return 1.0
    return 0.6 if source.suffix in suffixes else 0.0


@contextmanager
def opened(source: Source, what: str) -> Iterator[DocumentArchive]:
    """The package of a document.

    Raises:
        CorruptInput: damaged, oversized, or behind a password (`encrypted`).
    """
    with refusals_of(what):
        with source.path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
        if container_of(source.path, head) is Container.ENCRYPTED:
            raise CorruptInput(
                f"the {what} needs a password",
                reason="encrypted",
                hint="save it without one and drop it again",
            )
        with open_archive(source.path) as archive:
            yield archive


def main_part(archive: DocumentArchive) -> str:
    """The part that the package is about. Raises CorruptInput without one."""
    found = archive.related("", "officeDocument")
    if not found:
        raise CorruptInput("the package names no document")
    return found[0]


def reference(element: Any, name: str = "id") -> str:
    """The relation that an element names; '' for none."""
    return next((found for prefix in RELATIONSHIPS if (found := element.get(prefix + name))), "")


def chosen(element: Any) -> Iterator[Any]:
    """Children; of alternatives for old and new readers only the first, which is the new."""
    for one in children(element):
        if local_name(one) == "AlternateContent":
            first = next(children(one, "Choice", "Fallback"), None)
            if first is not None:
                yield from chosen(first)
        else:
            yield one


def embedded(archive: DocumentArchive, parts: list[str]) -> Iterator[TextBlock]:
    """One list of the files that lie in the package for these parts; they are not opened."""
    names = {
        posixpath.basename(target): None
        for part in parts
        for kind in ("oleObject", "package")
        for target in archive.related(part, kind)
    }
    if names:
        text = "\n".join(f"- {name}" for name in names)
        yield TextBlock(BlockKind.LIST, f"Embedded files:\n{text}", "", "embedded files")
