"""Which kind of archive a file is; formats that only use an archive as their box are none."""

from __future__ import annotations

import zipfile
from pathlib import Path

from kmflow_orchestration.converters.archives.entries import ArchiveKind
from kmflow_orchestration.converters.archives.seven_zip import SEVEN_ZIP_MARK, SevenZipKind
from kmflow_orchestration.converters.archives.tar_files import BLOCK_BYTES, TarKind, is_tar
from kmflow_orchestration.converters.archives.zip_files import ZipKind
from kmflow_orchestration.converters.content_look import ZIP_DAMAGE, Container, container_of
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.packed_source import look_inside

_ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
# At the top of a zip that is one document or program.
_BOXES = frozenset(
    {"mimetype", "[Content_Types].xml", "META-INF/MANIFEST.MF", "AndroidManifest.xml"}
)
# No bundles whatever lies in them: a damaged one is its own reader's to tell.
_BOX_SUFFIXES = frozenset(
    {
        *(".docx", ".docm", ".dotx", ".xlsx", ".xlsm", ".xlsb", ".xltx", ".pptx", ".pptm", ".potx"),
        *(".odt", ".ods", ".odp", ".odg", ".vsdx", ".vsdm", ".epub", ".jar", ".war", ".apk"),
    }
)


def kind_of(path: Path, password: str = "") -> ArchiveKind:
    """Of a file that is an archive; `password` opens those that are locked."""
    with path.open("rb") as stream:
        head = stream.read(len(SEVEN_ZIP_MARK))
    if head.startswith(_ZIP_MARKS):
        return ZipKind(password)
    if head.startswith(SEVEN_ZIP_MARK):
        return SevenZipKind(password)
    return TarKind()


def how_sure(source: Source, head: bytes) -> float:
    """How sure, from 0 to 1, that a file is a bundle of others."""
    if source.suffix in _BOX_SUFFIXES:
        return 0.0
    if head.startswith(_ZIP_MARKS):
        return _of_zip(source, head)
    if head.startswith(SEVEN_ZIP_MARK):
        return 1.0
    name, content = look_inside(source, head)
    if is_tar(content):
        return 1.0
    if name.suffix not in (".tar", ".tgz", ".tbz2", ".txz", ".tzst"):
        return 0.0
    is_empty = content and not content[:BLOCK_BYTES].strip(b"\0")
    # Without a first header it is damaged, if no other reader knows it.
    return 0.9 if is_empty else 0.4


def _of_zip(source: Source, head: bytes) -> float:
    if container_of(source.path, head) not in (Container.ZIP, Container.NONE):
        return 0.0
    try:
        with zipfile.ZipFile(source.path) as archive:
            names = archive.namelist()
    except ZIP_DAMAGE:
        return 0.5 if source.suffix == ".zip" else 0.0
    return 0.0 if _BOXES.intersection(names) else 0.95
