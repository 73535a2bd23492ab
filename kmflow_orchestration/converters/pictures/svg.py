"""Drawings in SVG: size, title, description. Nothing in them runs, and nothing is fetched."""

from __future__ import annotations

from pathlib import Path

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.pictures.facts import PictureFacts, as_object
from kmflow_orchestration.converters.safe_xml import child, local_name, parse_xml, text_of
from kmflow_orchestration.errors import CorruptInput

_MAX_BYTES = 64 << 20


def read_svg(path: Path) -> PictureFacts:
    """Raises CorruptInput: no sound SVG, one with entities, or of more than 64 MiB."""
    with path.open("rb") as stream:
        content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise CorruptInput("a drawing of more than 64 MiB", reason=TOO_LARGE)
    root = parse_xml(content, "the drawing")
    if local_name(root) != "svg":
        raise CorruptInput(f"{local_name(root) or 'this'} is no drawing")
    box = root.get("viewBox", "").replace(",", " ").split()
    sizes = box[2:] if len(box) == 4 else ["", ""]
    facts = PictureFacts(
        "svg",
        width=_length(root.get("width")) or sizes[0],
        height=_length(root.get("height")) or sizes[1],
        title=text_of(child(root, "title")),
        description=text_of(child(root, "desc")),
    )
    scripts = elements = links = 0
    for element in root.iter():
        elements += 1
        scripts += local_name(element) == "script"
        for name, value in element.items():
            scripts += name.lower().startswith("on")
            is_link = name.rpartition("}")[2] == "href"
            links += is_link and value.strip().partition(":")[0].lower() in ("http", "https", "ftp")
    details = {"elements": elements, "scripts": scripts, "external_links": links}
    if len(box) == 4:
        details["view_box"] = " ".join(box)  # type: ignore[assignment]
    facts.details = as_object({name: value for name, value in details.items() if value})
    return facts


def _length(text: str | None) -> str:
    """`120px` and `120` as a number of pixels; '' for shares and lengths of paper."""
    found = (text or "").strip().removesuffix("px").strip()
    return found if found.replace(".", "", 1).isdigit() else ""
