"""What commands print for programs is JSON that every reader takes."""

from __future__ import annotations

import json

import pytest

from kmflow_orchestration.cli.output import show_json


def test_numbers_that_json_has_not_are_told_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"rows": [{"x": float("nan"), "y": (float("inf"), -float("inf")), "z": 1.5}]})

    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert told == {"rows": [{"x": "NaN", "y": ["Infinity", "-Infinity"], "z": 1.5}]}
