"""Pictures and previews of a materialization (row G10)."""

from __future__ import annotations

import base64
from datetime import date
from decimal import Decimal
from xml.etree import ElementTree as ET

import pyarrow as pa
import pytest

from kmflow_orchestration.assets import rendering


def _svg(value) -> ET.Element:
    encoded = value.value.split("base64,")[1].rstrip(")")
    return ET.fromstring(base64.b64decode(encoded))


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Ada Byron", "Aaa Aaaaa"),
        ("DE-4711", "AA-9999"),
        ("", ""),
        ("Zoë", "Aaa"),
        ("x" * 40, "a" * 23 + "…"),
    ],
)
def test_a_text_shows_only_its_shape(text, shape):
    assert rendering.pattern_of(text) == shape


def test_a_preview_shows_numbers_and_dates_but_no_text():
    rows = pa.table(
        {
            "name": ["Ada | Byron", None],
            "amount": [Decimal("1.50"), Decimal("2.00")],
            "paid": [True, False],
            "on": [date(2026, 11, 20), None],
        }
    )

    shown = rendering.preview(rows).value

    assert "Ada" not in shown
    assert "| Aaa \\| Aaaaa | 1.50 | True | 2026-11-20 |" in shown
    assert "| ∅ | 2.00 | False | ∅ |" in shown


def test_a_preview_holds_at_most_five_rows():
    shown = rendering.preview(pa.table({"n": list(range(100))})).value

    assert len(shown.splitlines()) == 2 + 5


def test_a_bar_plot_is_a_small_valid_image_and_escapes_names():
    picture = rendering.bars("Issues", {"<b>&": 3.0, "plain": 1.0})

    assert _svg(picture).tag.endswith("svg")
    assert len(picture.value) < 50_000


@pytest.mark.parametrize(
    "points", [[], [("2026-11-20", 0.5)], [("d", i / 500) for i in range(500)]]
)
def test_a_line_plot_takes_any_number_of_points(points):
    picture = rendering.line("Score", points)

    assert _svg(picture).tag.endswith("svg")
    assert len(picture.value) < 50_000
