"""EXIF: camera, time with its offset, and where the picture was taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kmflow_orchestration.converters.pictures.facts import (
    PictureFacts,
    as_number,
    as_object,
    as_text,
)

_EXIF, _GPS, _INTEROPERABILITY, _MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x927C
_XMP, _IPTC, _PHOTOSHOP, _ICC = 0x02BC, 0x83BB, 0x8649, 0x8773
# Told elsewhere, or of the picture's own bytes.
_LEFT_OUT = frozenset({_EXIF, _GPS, _INTEROPERABILITY, _MAKER_NOTE, _XMP, _IPTC, _PHOTOSHOP, _ICC})
_STRIPS = frozenset({273, 279, 324, 325})
_TIME = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d:\d\d:\d\d)$")
_OFFSET = re.compile(r"[+-]\d\d:\d\d$")


def read_exif(exif: Any, facts: PictureFacts, *, strip_gps: bool) -> None:
    """Fill in what a picture's EXIF (as Pillow has it) says; nothing of places with `strip_gps`."""
    from PIL.ExifTags import GPSTAGS, TAGS

    main = dict(exif.items())
    camera = dict(exif.get_ifd(_EXIF))
    facts.set_once(
        camera_make=as_text(main.get(0x010F)),
        camera_model=as_text(main.get(0x0110)),
        lens=as_text(camera.get(0xA434)),
        software=as_text(main.get(0x0131)),
        orientation=as_number(main.get(0x0112)) if main.get(0x0112) else "",
        description=as_text(main.get(0x010E)),
        creator=as_text(main.get(0x013B)),
        copyright=as_text(main.get(0x8298)),
    )
    _read_time(main, camera, facts)
    told = {**_named(main, TAGS), **_named(camera, TAGS)}
    if not strip_gps:
        places = dict(exif.get_ifd(_GPS))
        _read_place(places, facts)
        told.update({f"GPS.{name}": value for name, value in _named(places, GPSTAGS).items()})
    facts.exif = as_object(told)


def _named(tags: Mapping[int, Any], names: Mapping[int, str]) -> dict[str, Any]:
    is_ours = {tag for tag in tags if tag not in _LEFT_OUT and tag not in _STRIPS}
    return {names.get(tag, f"0x{tag:04x}"): tags[tag] for tag in sorted(is_ours)}


def _read_time(main: Mapping[int, Any], camera: Mapping[int, Any], facts: PictureFacts) -> None:
    """When the shutter opened, else when it was digitised, else when the file was changed."""
    sources = ((camera, 0x9003, 0x9011), (camera, 0x9004, 0x9012), (main, 0x0132, 0x9010))
    for tags, tag, offset in sources:
        match = _TIME.match(as_text(tags.get(tag)))
        # Cameras whose clock was never set write zeros.
        if match is None or match[1] == "0000":
            continue
        facts.taken_at = f"{match[1]}-{match[2]}-{match[3]}T{match[4]}"
        zone = as_text(camera.get(offset))
        facts.taken_offset = zone if _OFFSET.match(zone) else ""
        return


def _read_place(tags: Mapping[int, Any], facts: PictureFacts) -> None:
    latitude = _degrees(tags.get(2), as_text(tags.get(1)), "S", 90)
    longitude = _degrees(tags.get(4), as_text(tags.get(3)), "W", 180)
    if latitude and longitude:
        facts.set_once(gps_latitude=latitude, gps_longitude=longitude)
    altitude = as_number(tags.get(6)) if tags.get(6) is not None else ""
    if altitude:
        is_below = tags.get(5) in (1, b"\1")
        facts.set_once(gps_altitude=f"-{altitude}" if is_below else altitude)


def _degrees(parts: Any, side: str, negative: str, most: int) -> str:
    """Degrees, minutes and seconds as decimal degrees of seven places (a centimetre)."""
    if not isinstance(parts, tuple) or len(parts) != 3:
        return ""
    numbers = [as_number(part) for part in parts]
    if not all(numbers):
        return ""
    degrees, minutes, seconds = map(float, numbers)
    found = degrees + minutes / 60 + seconds / 3600
    if found > most:
        return ""
    text = f"{found:.7f}"
    return f"-{text}" if side.upper() == negative and found else text
