"""Damaged files of every format: read and counted, or refused with a reason; never a crash."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from kmflow_orchestration_tests.fuzz.conversions import CRASHED, DIED, counted, outcomes
from kmflow_orchestration_tests.fuzz.mutations import mutated
from kmflow_orchestration_tests.fuzz.seeds import SEEDS

QUICK = 300
MANY, PORTION = 10_000, 500
# ReadStat, which is C, ends its process over some damaged headers: commands and steps read such a
# file in a process of its own, and tell it as KM-CONVERT-009.
READ_NATIVELY = (".sav", ".por", ".dta", ".sas7bdat", ".xpt")


def test_sound_files_are_all_converted(tmp_path: Path) -> None:
    folder = tmp_path / "sound"
    folder.mkdir()
    for name, content in SEEDS.items():
        (folder / f"0_{name}").write_bytes(content)

    found = outcomes(folder)

    assert counted(found) == {"converted": len(SEEDS)}, found


def test_damaged_files_are_converted_or_refused(tmp_path: Path) -> None:
    _check(tmp_path, QUICK, Random(1))


# About two minutes with the machine to itself.
@pytest.mark.timeout(900)
@pytest.mark.journey
def test_ten_thousand_damaged_files_are_converted_or_refused(tmp_path: Path) -> None:
    for seed in range(MANY // PORTION):
        _check(tmp_path / str(seed), PORTION, Random(seed + 2))


def _check(place: Path, count: int, random: Random) -> None:
    folder = place / "damaged"
    folder.mkdir(parents=True)
    others = tuple(SEEDS.values())
    names = list(SEEDS)
    for number in range(count):
        name = names[number % len(names)]
        (folder / f"{number}_{name}").write_bytes(mutated(SEEDS[name], others, random))

    found = outcomes(folder)

    bad = {name: how for name, how in found.items() if how.startswith((CRASHED, DIED))}
    native = [name for name in bad if bad[name] == DIED and name.endswith(READ_NATIVELY)]
    assert bad.keys() == set(native)
    assert len(native) <= 2, native
    assert {"converted", "refused"} <= set(counted(found))
