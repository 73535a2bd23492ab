"""`kmflow`: parses, calls one operation, prints; errors end in the product's one exit table."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from kmflow_orchestration import __version__
from kmflow_orchestration.cli.json_answer import is_shown
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.extras import missing
from kmflow_orchestration.redacted_process import install as install_redaction
from kmflow_orchestration.redaction import scrub

FAILED = 1
USAGE = 2
INTERRUPTED = 130
# Commands that read a file in a process of its own.
_READING = frozenset({"convert", "info", "validate"})


def run() -> None:
    """Entry point of the `kmflow` command."""
    # Imports make many objects, and all of them stay: looking for garbage among them takes a
    # quarter of a short command's time.
    gc.set_threshold(50_000, 20, 100)
    _begin_reading(sys.argv[1:])
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """One command of these arguments, by default the process's; its exit code."""
    install_redaction()
    try:
        return _outcome(arguments)
    except ModuleNotFoundError as error:
        found = missing(error)
        sys.stderr.write(f"kmflow: {found.message}; {found.hint}\n")
        return found.exit_code


def _begin_reading(words: Sequence[str]) -> None:
    """Let the process that reads a file be begun while this one learns its commands."""
    if words[:1] and words[0] in _READING and "--help" not in words:
        from kmflow_orchestration.operations.convert.idle_process import begin_early

        begin_early()


def _outcome(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:
        # Told without what reads commands.
        sys.stdout.write(f"kmflow_orchestration {__version__}\n")
        return 0
    import typer

    from kmflow_orchestration.cli.command_tree import command_list, command_tree

    # Typer brings its own copy of Click and exports only this leaf of its usage errors.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    first = next((word for word in words if not word.startswith("-")), "")
    tree = command_tree(first) if first else command_list()
    as_json = "--json" in words
    is_shown.set(False)
    try:
        return int(tree.main(words, prog_name="kmflow", standalone_mode=False) or 0)
    except usage_error as error:
        return _misused(error)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except KmflowError as error:
        return _refused(error, as_json=as_json)
    except OSError as error:
        return _stopped_by_system(error, as_json=as_json)


def _misused(error: BaseException) -> int:
    scrub(error)  # it quotes what was typed
    show = getattr(error, "show", None)
    if show is not None:
        show()
    return int(getattr(error, "exit_code", USAGE))


def _refused(error: KmflowError, *, as_json: bool) -> int:
    from kmflow_orchestration.cli.output import complain, show_failure

    complain(f"{error.code}: {error.message}", hint=error.hint)
    if as_json:
        show_failure(
            {
                "code": error.code,
                "message": error.message,
                "hint": error.hint,
                "retryable": error.retryable,
                "exit_code": error.exit_code,
            }
        )
    return error.exit_code


def _stopped_by_system(error: OSError, *, as_json: bool) -> int:
    """A full disk, a folder that may not be written, a reader of our output that went away."""
    from kmflow_orchestration.cli.output import complain, show_failure

    where = f"{error.filename}: " if error.filename else ""
    told = f"{where}{error.strerror or type(error).__name__}"
    complain(told)
    if as_json and not isinstance(error, BrokenPipeError):
        show_failure({"message": told, "exit_code": FAILED})
    return FAILED
