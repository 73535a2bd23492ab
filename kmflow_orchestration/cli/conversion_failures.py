"""How a command about files ends: typed errors as they are, anything else as one line (row D11)."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from kmflow_orchestration.errors import KmflowError


@contextmanager
def ending_cleanly(*, verbose: bool) -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that nothing half-made stays.

    Raises:
        KmflowError, OSError: as the block does; with `verbose` the traceback is shown first.
        Exit: with code 1 for a fault of ours, told in one line.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except (KmflowError, OSError):
        if verbose:
            _show_traceback()
        raise
    except (typer.Exit, typer.BadParameter, typer.Abort):
        raise
    # A fault of ours: whoever waits for an answer gets one line of it.
    except Exception as error:
        from kmflow_orchestration.cli.output import complain

        if verbose:
            _show_traceback()
        hint = "" if verbose else "-v shows where; please report it"
        complain(f"a fault of kmflow itself: {type(error).__name__}: {error}", hint=hint)
        raise typer.Exit(1) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _show_traceback() -> None:
    from kmflow_orchestration.redaction import redact

    sys.stderr.write(redact(traceback.format_exc()))
