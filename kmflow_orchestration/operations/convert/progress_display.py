"""How far a conversion is, as notebooks show it: HTML that changes in place, or a line of text."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from kmflow_orchestration.operations.convert.progress import STEPS, percent
from kmflow_orchestration.redaction import redact

if TYPE_CHECKING:
    from kmflow_orchestration.operations.convert.file_outcomes import FileOutcome

_SHOW_EVERY_S = 0.2
_MOST_STEPS = 8


class ProgressDisplay:
    """What is shown of one call; `show` is told when there is something new, not too often."""

    def __init__(self, show: Callable[[ProgressDisplay], None]) -> None:
        self._show = show
        self._reached, self._said = 0.0, ""
        self._steps: list[str] = []
        self._shown_at = float("-inf")

    def at(self, stage: str, done: int, total: int, unit: str, message: str) -> None:
        """Of one file: see Tell. The steps of a database stay below the bar, the last of many."""
        if unit == STEPS:
            self._steps = [*self._steps, redact(message)][-_MOST_STEPS:]
        counted = f": {done:,} of {total:,} {unit}" if unit == "rows" else ""
        self._changed(percent(stage, done, total), f"{stage} {message}{counted}")

    def on_file(self, done: int, of_files: int, last: FileOutcome) -> None:
        """Of a batch: see Told."""
        share = 100.0 * done / of_files
        self._changed(share, f"{done} of {of_files} files, the last {last.path}: {last.status}")

    def _changed(self, reached: float, said: str) -> None:
        self._reached, self._said = max(self._reached, reached), redact(said)
        now = time.monotonic()
        if now - self._shown_at >= _SHOW_EVERY_S or self._reached >= 100:
            self._shown_at = now
            self._show(self)

    def __str__(self) -> str:
        return f"{self._reached:3.0f} % {self._said}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        bar = f'<progress value="{self._reached:.0f}" max="100" style="width: 20em"></progress>'
        steps = "".join(f"<br>{escape(step)}" for step in self._steps)
        return f"<div>{bar} {escape(str(self))}{steps}</div>"


def notebook_display() -> ProgressDisplay | None:
    """One below the cell that runs; None where no notebook is to show anything."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:
        return None
    # There, as it runs this.
    from IPython.display import display

    handles: list[Any] = []

    def update(shown: ProgressDisplay) -> None:
        for handle in handles:
            handle.update(shown)

    found = ProgressDisplay(update)
    handles.append(display(found, display_id=True))
    return found
