"""Files of tests named in any order have the fixtures of their folders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent


def test_a_folder_named_twice_has_its_fixtures_both_times(tmp_path: Path) -> None:
    named = (
        "converters/test_media_types.py",
        "test_extras.py",
        "converters/test_statistics_files.py::test_what_is_no_such_file_is_corrupt",
    )
    options = (
        "-q",
        "-n0",
        "--setup-plan",
        "-p",
        "no:cacheprovider",
        f"--basetemp={tmp_path / 'b'}",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *(str(TESTS / one) for one in named)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "fixture 'source' not found" not in done.stdout
    assert done.returncode == 0, done.stdout
