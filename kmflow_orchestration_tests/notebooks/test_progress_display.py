"""What a notebook shows while files are converted (row D17)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.file_outcomes import FileOutcome, Status
from kmflow_orchestration.operations.convert.progress_display import (
    ProgressDisplay,
    notebook_display,
)

# As much of a notebook's shell as shows something: not installed here, and there in every notebook.
SHELL = """
class Kernel:
    kernel = object()
def get_ipython():
    return Kernel()
"""
DISPLAY = """
class Handle:
    def update(self, shown):
        print(shown._repr_html_())
def display(shown, display_id):
    print(shown)
    return Handle()
"""
CELL = """
import IPython
from kmflow_orchestration.notebook import convert_file
convert_file("<b>.csv", "one.parquet")
"""


def test_a_bar_goes_from_nothing_to_the_end_and_never_back(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    shown: list[str] = []

    convert_file(tmp_path / "a.csv", tell=ProgressDisplay(lambda one: shown.append(str(one))).at)

    reached = [int(line.partition("%")[0]) for line in shown]
    assert (reached, reached[0], reached[-1]) == (sorted(reached), 0, 100)
    assert shown[-1] == "100 % clean a.csv"


def test_a_notebook_shows_it_and_a_script_nothing(tmp_path: Path) -> None:
    assert notebook_display() is None
    (tmp_path / "<b>.csv").write_text("id\n1\n")
    (tmp_path / "IPython").mkdir()
    (tmp_path / "IPython" / "__init__.py").write_text(SHELL)
    (tmp_path / "IPython" / "display.py").write_text(DISPLAY)
    (tmp_path / "cell.py").write_text(CELL)

    ran = subprocess.run(
        [sys.executable, "cell.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    last = ran.stdout.splitlines()[-1]
    assert last.endswith(" 100 % clean &lt;b&gt;.csv</div>")
    assert 'value="100" max="100"' in last


def test_a_batch_is_shown_by_its_files() -> None:
    shown: list[str] = []
    display = ProgressDisplay(lambda one: shown.append(str(one)))

    display.on_file(2, 2, FileOutcome("b.csv", Status.FAILED))
    display.on_file(1, 2, FileOutcome("a.csv", Status.CONVERTED))

    assert shown == [
        "100 % 2 of 2 files, the last b.csv: failed",
        "100 % 1 of 2 files, the last a.csv: converted",
    ]
