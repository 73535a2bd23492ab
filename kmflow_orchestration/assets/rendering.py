"""Small pictures and previews for the metadata of a materialization (row G10).

Dagster renders a Markdown image with a base64 SVG inline, and nothing else of the kind; an image
stays well under 50 kB because its text is stored with every event.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from html import escape

import dagster as dg
import pyarrow as pa

PREVIEW_ROWS = 5
_WIDTH = 640
_BAR = 18


def pattern_of(text: str) -> str:
    """The shape of a text, never its content: A, a and 9 for letters and digits, cut at 24."""
    shape = re.sub(r"[^\W\d_]", lambda m: "A" if m.group().isupper() else "a", text)
    shape = re.sub(r"\d", "9", shape)
    return shape if len(shape) <= 24 else shape[:23] + "…"


def preview(rows: pa.Table) -> dg.MetadataValue:
    """The first rows of a table: numbers, dates and booleans as they are, text as its pattern."""
    lines = [
        "| " + " | ".join(_cell(name) for name in rows.column_names) + " |",
        "|" + " --- |" * rows.num_columns,
    ]
    lines += [
        "| " + " | ".join(_cell(_shown(value)) for value in row.values()) + " |"
        for row in rows.slice(0, PREVIEW_ROWS).to_pylist()
    ]
    return dg.MetadataValue.md("\n".join(lines))


def _shown(value: object) -> str:
    if value is None:
        return "∅"
    if isinstance(value, bool | int | float | Decimal | date | datetime):
        return str(value)
    return pattern_of(str(value))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def column_schema(columns: Sequence[tuple[str, str]]) -> dg.TableSchema:
    """Names and Spark SQL types, for the Columns panel."""
    return dg.TableSchema(columns=[dg.TableColumn(name, kind) for name, kind in columns])


def urls(links: Mapping[str, str]) -> dict[str, dg.MetadataValue]:
    """Addresses that can be clicked."""
    return {name: dg.MetadataValue.url(address) for name, address in links.items()}


def bars(title: str, values: Mapping[str, float], *, unit: str = "") -> dg.MetadataValue:
    """A horizontal bar for each name, in the order given; at most 20 of them."""
    shown = dict(list(values.items())[:20])
    largest = max(shown.values(), default=0) or 1
    parts = [_text(8, 20, title, size=14, weight="bold")]
    for index, (name, value) in enumerate(shown.items()):
        y = 34 + index * (_BAR + 6)
        width = max(1.0, 360 * value / largest)
        parts += [
            _text(8, y + 13, name if len(name) <= 26 else name[:25] + "…", size=12),
            f'<rect x="200" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2" fill="#4f6df5"/>',
            _text(208 + width, y + 13, f"{value:g}{unit}", size=12),
        ]
    return _image(title, parts, height=46 + max(1, len(shown)) * (_BAR + 6))


def line(title: str, points: Sequence[tuple[str, float]]) -> dg.MetadataValue:
    """A line over labelled points with values in [0, 1]; the last 60 of them."""
    shown = list(points)[-60:]
    step = 560 / max(1, len(shown) - 1)
    places = [(60 + i * step, 180 - 140 * value) for i, (_, value) in enumerate(shown)]
    parts = [_text(8, 20, title, size=14, weight="bold")]
    parts += [
        f'<line x1="60" y1="{180 - 140 * mark}" x2="620" y2="{180 - 140 * mark}" stroke="#ddd"/>'
        + _text(30, 184 - 140 * mark, f"{mark:.1f}", size=11)
        for mark in (0.0, 0.5, 1.0)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts.append(f'<polyline points="{path}" fill="none" stroke="#4f6df5" stroke-width="2"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#4f6df5"/>' for x, y in places]
    if shown:
        parts.append(_text(60, 204, shown[0][0], size=11))
        parts.append(_text(540, 204, shown[-1][0], size=11))
    return _image(title, parts, height=216)


def _text(x: float, y: float, text: str, *, size: int, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="sans-serif" font-size="{size}" '
        f'font-weight="{weight}" fill="#222">{escape(text)}</text>'
    )


def _image(title: str, parts: Sequence[str], *, height: int) -> dg.MetadataValue:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}">'
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>{"".join(parts)}</svg>'
    )
    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{_cell(title)}](data:image/svg+xml;base64,{encoded})")
