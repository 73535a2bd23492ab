"""What MediaInfo tells of a recording, as the rows of two tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from kmflow_orchestration.converters.text_encoding import storable

MEDIA = (
    *("container", "container_profile", "duration_seconds", "bit_rate", "created_at"),
    *("title", "performer", "album", "genre", "recorded", "encoder"),
    *("video_streams", "audio_streams", "subtitle_streams", "has_subtitles"),
    *("truncated", "chapters", "tags"),
)
STREAMS = (
    *("stream", "kind", "id", "codec", "codec_id", "profile", "duration_seconds"),
    *("bit_rate", "bit_rate_mode", "channels", "sample_rate", "bit_depth"),
    *("width", "height", "fps", "rotation", "language", "title", "details"),
)
_KINDS = {
    "Video": "video",
    "Audio": "audio",
    "Text": "subtitles",
    "Image": "image",
    "Other": "other",
}
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(?: ?(UTC|Z))?$")
_CHAPTER = re.compile(r"(\d+)_(\d\d)_(\d\d)(\d{3})$")
# Told in columns of their own, or of the file and not of what is recorded.
_NO_TAGS = re.compile(
    r"(other_.*|.*_list|.*_url|count|count_of_.*|.*_streams|kind_of_stream|stream_.*|track_type"
    r"|proportion_of_.*|format.*|codec.*|audio_channels_total|audio_codecs|video_codecs"
    r"|text_codecs|internet_media_type|commercial_name|file_.*|complete_name|folder_name"
    r"|duration.*|overall_.*|frame_.*|framerate.*|headersize|datasize|footersize|isstreamable"
    r"|istruncated|encoded_date|tagged_date|title|performer|album|genre|recorded_date"
    r"|writing_application|cover_data|unique_id)"
)
_NO_DETAILS = re.compile(
    r"(other_.*|.*_url|count|count_of_stream.*|kind_of_stream|stream_.*|track_type|track_id"
    r"|proportion_of_.*|commercial_name|internet_media_type|format|format_info|format_profile"
    r"|codec_id|codec_id_info|duration|bit_rate|bit_rate_mode|channel_s|sampling_rate|bit_depth"
    r"|width|height|frame_rate|rotation|language|title|streamorder|unique_id)"
)
Track = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """The rows of both tables, and what is not as it should be."""

    media: tuple[str, ...]
    streams: tuple[tuple[str, ...], ...]
    is_truncated: bool


def recording_of(tracks: Sequence[Track]) -> Recording | None:
    """None for what is no recording at all."""
    general = next((track for track in tracks if track.get("track_type") == "General"), {})
    if not general.get("format"):
        return None
    streams = [track for track in tracks if track.get("track_type") in _KINDS]
    is_truncated = general.get("istruncated") == "Yes"
    return Recording(
        _media(general, streams, tracks, is_truncated=is_truncated),
        tuple(_stream(number, track) for number, track in enumerate(streams, start=1)),
        is_truncated,
    )


def _media(
    general: Track, streams: Sequence[Track], tracks: Sequence[Track], *, is_truncated: bool
) -> tuple[str, ...]:
    kinds = [track["track_type"] for track in streams]
    tags = {name: value for name, value in general.items() if not _NO_TAGS.fullmatch(name)}
    return (
        _text(general, "format"),
        _text(general, "format_profile"),
        # A container may promise a length and hold nothing.
        _seconds(general) if streams else "",
        _number(general, "overall_bit_rate") if streams else "",
        _moment(_text(general, "encoded_date") or _text(general, "tagged_date")),
        _text(general, "title"),
        _text(general, "performer"),
        _text(general, "album"),
        _text(general, "genre"),
        _text(general, "recorded_date"),
        _text(general, "writing_application") or _text(general, "writing_library"),
        str(kinds.count("Video")),
        str(kinds.count("Audio")),
        str(kinds.count("Text")),
        str("Text" in kinds).lower(),
        str(is_truncated).lower(),
        _chapters(tracks),
        _as_json(tags),
    )


def _stream(number: int, track: Track) -> tuple[str, ...]:
    kind = track["track_type"]
    details = {name: value for name, value in track.items() if not _NO_DETAILS.fullmatch(name)}
    return (
        str(number),
        _KINDS[kind],
        _text(track, "track_id"),
        _text(track, "format"),
        _text(track, "codec_id"),
        _text(track, "format_profile"),
        _seconds(track),
        _number(track, "bit_rate"),
        _text(track, "bit_rate_mode"),
        _number(track, "channel_s"),
        _number(track, "sampling_rate"),
        _number(track, "bit_depth"),
        _number(track, "width"),
        _number(track, "height"),
        _number(track, "frame_rate"),
        _number(track, "rotation"),
        _text(track, "language"),
        _text(track, "title"),
        _as_json(details),
    )


def _text(track: Track, name: str) -> str:
    value = track.get(name)
    return "" if value is None else storable(str(value)).strip()


def _number(track: Track, name: str) -> str:
    """A number in plain digits; '' for what is none, such as `1 / 2` of an object's parts."""
    try:
        found = Decimal(_text(track, name))
    except InvalidOperation:
        return ""
    return _plain(found) if found.is_finite() else ""


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _seconds(track: Track) -> str:
    """Milliseconds as seconds, exactly."""
    milliseconds = _number(track, "duration")
    return _plain(Decimal(milliseconds) / 1000) if milliseconds else ""


def _moment(text: str) -> str:
    match = _DATE.match(text)
    if match is None:
        return ""
    zone = "Z" if match[3] else ""
    return f"{match[1]}T{match[2]}{zone}"


def _chapters(tracks: Sequence[Track]) -> str:
    found = [
        {"at": at, "title": storable(str(title))}
        for track in tracks
        if track.get("track_type") == "Menu"
        for at, title in _entries(track)
    ]
    return json.dumps(found, ensure_ascii=False) if found else ""


def _entries(menu: Track) -> Iterator[tuple[str, Any]]:
    for name, title in menu.items():
        if match := _CHAPTER.match(name):
            yield f"{match[1]}:{match[2]}:{match[3]}.{match[4]}", title


def _as_json(values: Track) -> str:
    texts = {name: storable(str(value)) for name, value in values.items()}
    return json.dumps(texts, ensure_ascii=False, sort_keys=True) if texts else ""
