"""Sound and film as what they say of themselves: one row, and one for each stream (row D38)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from kmflow_orchestration.converters.content_look import look_at
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import ConversionWarning, Source
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.media_types import is_mpeg_audio
from kmflow_orchestration.converters.memory_table import MemoryTable
from kmflow_orchestration.converters.pictures.converter import HEIF_BRANDS
from kmflow_orchestration.converters.pictures.places import tells_place
from kmflow_orchestration.converters.reader_options import ReaderOptions
from kmflow_orchestration.converters.recordings.tracks import (
    MEDIA,
    STREAMS,
    Recording,
    recording_of,
)
from kmflow_orchestration.errors import CorruptInput

_SIGNATURES = (b"fLaC", b"OggS", b"\x1a\x45\xdf\xa3", b"ID3\2", b"ID3\3", b"ID3\4")
# Pictures in the same box format.
_PICTURE_BRANDS = HEIF_BRANDS | {b"avif", b"avis"}
# What a film of before `ftyp` begins with.
_OLD_BOXES = frozenset({b"moov", b"mdat", b"wide"})


@dataclass(frozen=True, slots=True)
class RecordingOptions(ReaderOptions):
    """`strip_gps`: nothing that tells where it was recorded comes out."""

    strip_gps: bool = False


class RecordingConverter(TableConverter):
    """Container, streams, tags and chapters; what is heard and seen is not read."""

    name: ClassVar[str] = "media"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = (
        *("audio/mpeg", "audio/mp4", "audio/wav", "audio/flac", "audio/ogg"),
        *("video/mp4", "video/quicktime", "video/x-matroska", "video/webm", "video/x-msvideo"),
    )
    suffixes: ClassVar[tuple[str, ...]] = (
        *(".mp3", ".m4a", ".wav", ".flac", ".ogg", ".oga"),
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"),
    )
    shares_tables: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("pymediainfo",)
    reader_options: ClassVar[type[ReaderOptions]] = RecordingOptions

    def detect(self, source: Source, head: bytes) -> float:
        """By a signature; four bytes of a sound frame alone are met by chance."""
        if _is_signed(head):
            return 1.0
        if is_mpeg_audio(head):
            return 1.0 if source.suffix == ".mp3" else 0.6
        return 0.0

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[MemoryTable]:
        """`media` of one row, and `streams` if there are any.

        Raises:
            CorruptInput: no recording.
            ConfigurationError: an option that is unknown, or a value it cannot have.
        """
        given = RecordingOptions.parse(options)
        with source.path.open("rb") as stream:
            head = stream.read(64)
        if not (_is_signed(head) or is_mpeg_audio(head)):
            raise CorruptInput("the content is no sound and no film of a kind that is read")
        with refusals_of("recording"):
            tracks = _tracks(source.path)
            if given.strip_gps:
                tracks = [_without_places(track) for track in tracks]
            found = recording_of(tracks)
        if found is None:
            raise CorruptInput("the content is neither sound nor film, or it is damaged")
        origin = self.origin(source)
        warnings = tuple(_warnings(found))
        told = {"strip_gps": "true"} if given.strip_gps else {}
        tables = [MemoryTable("media", MEDIA, [found.media], origin, warnings, read_as=told)]
        if found.streams:
            tables.append(MemoryTable("streams", STREAMS, found.streams, origin, read_as=told))
        return tables


def _is_signed(head: bytes) -> bool:
    if head.startswith(_SIGNATURES):
        return True
    if head.startswith((b"RIFF", b"RF64")):
        return head[8:12] in (b"WAVE", b"AVI ")
    if head[4:8] == b"ftyp":
        return head[8:12] not in _PICTURE_BRANDS
    return head[4:8] in _OLD_BOXES and not look_at(head).is_text


def _tracks(path: Path) -> Sequence[Mapping[str, Any]]:
    """Read through a stream: without a name, nothing beside the file can be looked for."""
    from pymediainfo import MediaInfo

    with path.open("rb") as stream:
        found = MediaInfo.parse(stream, encoding_errors="replace")
    return [] if isinstance(found, str) else [track.to_data() for track in found.tracks]


def _without_places(track: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in track.items() if not tells_place(name, value)}


def _warnings(found: Recording) -> Iterator[ConversionWarning]:
    if not found.streams:
        yield ConversionWarning("no_streams", "the container holds no stream that can be told")
    if found.is_truncated:
        text = "the recording breaks off before its end: what its beginning tells is here"
        yield ConversionWarning("truncated", text)
