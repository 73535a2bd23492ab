from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.memory_table import MemoryTable
from kmflow_orchestration.converters.recordings.converter import RecordingConverter
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values
from kmflow_orchestration_tests.converters.recording_samples import (
    flac,
    matroska,
    mp3,
    mp4,
    wav,
)


def opened(source: Source, **options: Any) -> Sequence[MemoryTable]:
    return RecordingConverter().open_tables(source, options)


def tables(source: Source) -> dict[str, list[dict[str, Any]]]:
    return {table.part: all_values(table) for table in opened(source)}


def test_places_are_left_out_when_asked(source: Writes) -> None:
    film = source(mp4(place=b"+48.8577+002.2950/"), "a.mp4")
    (told,) = tables(film)["media"]
    stripped = opened(film, strip_gps=True)

    assert "48.85" in told["tags"]
    (media,), streams = (all_values(table) for table in stripped)
    assert not re.search(r"48\.85|2\.295", str((media, streams)))
    assert (media["title"], len(streams)) == ("A day", 3)
    assert stripped[0].receipt.options["strip_gps"] == "true"


@pytest.mark.parametrize(
    ("write", "container", "seconds", "stream"),
    [
        (wav, "Wave", Decimal(1), ("audio", "PCM", 2, 8000)),
        (flac, "FLAC", Decimal(1), ("audio", "FLAC", 2, 44100)),
        (mp3, "MPEG Audio", Decimal("1.042"), ("audio", "MPEG Audio", 2, 44100)),
    ],
    ids=["wav", "flac", "mp3"],
)
def test_sound_tells_its_length_and_streams(
    source: Writes,
    write: Callable[[], bytes],
    container: str,
    seconds: Decimal,
    stream: tuple[object, ...],
) -> None:
    found = tables(source(write(), "a.bin"))

    (media,), (sound,) = found["media"], found["streams"]
    assert (media["container"], media["duration_seconds"]) == (container, seconds)
    assert (media["audio_streams"], media["video_streams"]) == (1, 0)
    assert (media["has_subtitles"], media["truncated"]) == (False, False)
    told = tuple(sound[name] for name in ("kind", "codec", "channels", "sample_rate"))
    assert told == stream
    assert all(not table.warnings for table in opened(source(write(), "a.bin")))


def test_a_film_tells_its_streams_chapters_and_tags(source: Writes) -> None:
    found = tables(source(mp4(), "a.mp4"))

    (media,) = found["media"]
    assert (media["container"], media["title"]) == ("MPEG-4", "A day")
    assert media["created_at"] == datetime(2024, 1, 1, tzinfo=UTC)
    assert (media["has_subtitles"], media["subtitle_streams"]) == (True, 1)
    assert json.loads(media["chapters"]) == [
        {"at": "00:00:00.000", "title": "Intro"},
        {"at": "00:00:01.000", "title": "End"},
    ]
    film, sound, subtitles = found["streams"]
    told = tuple(film[name] for name in ("kind", "width", "height", "fps", "rotation"))
    assert told == ("video", 320, 240, 25, 90)
    assert (sound["kind"], sound["language"], sound["bit_depth"]) == ("audio", "de", 16)
    assert (subtitles["kind"], subtitles["language"]) == ("subtitles", "en")


@pytest.mark.parametrize("kind", [b"matroska", b"webm"])
def test_matroska_and_webm_tell_their_streams(source: Writes, kind: bytes) -> None:
    film, subtitles = tables(source(matroska(kind), "a.mkv"))["streams"]

    assert (film["codec"], film["width"], film["fps"]) == ("VP9", 320, 25)
    assert (subtitles["kind"], subtitles["title"]) == ("subtitles", "Deutsch")


def test_tags_without_a_column_are_kept(source: Writes) -> None:
    (media,) = tables(source(mp3(), "a.mp3"))["media"]

    assert (media["title"], media["performer"]) == ("Vault", "Ana")
    assert json.loads(media["tags"])["ticket"] == "007"


def test_a_container_without_streams_has_no_length(source: Writes) -> None:
    (table,) = opened(source(matroska(has_streams=False), "a.mkv"))

    (media,) = all_values(table)
    assert (media["container"], media["duration_seconds"]) == ("Matroska", None)
    assert [warning.code for warning in table.warnings] == ["no_streams"]


def test_a_recording_that_breaks_off_tells_what_was_read(source: Writes) -> None:
    content = wav(2)
    media, streams = opened(source(content[: len(content) // 2], "a.wav"))

    (row,) = all_values(media)
    assert (row["truncated"], row["audio_streams"]) == (True, 1)
    assert [warning.code for warning in media.warnings] == ["truncated"]
    assert streams.receipt.rows_written == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no recording",
        b"RIFF\x24\0\0\0WEBPVP8 " + bytes(50),
        b"\0\0\0\x18ftypheic" + bytes(50),
        b"\0\0\0\x18ftypisom",
        b"\x1a\x45\xdf\xa3" + b"\xff" * 50,
    ],
    ids=["nothing", "text", "webp", "heic", "mp4-head", "noise"],
)
def test_what_is_no_recording_is_corrupt(source: Writes, content: bytes) -> None:
    with pytest.raises(CorruptInput):
        opened(source(content, "a.mp4"))


def test_there_are_no_options(source: Writes) -> None:
    with pytest.raises(ConfigurationError):
        opened(source(wav(), "a.wav"), speed=2)
