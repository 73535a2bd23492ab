"""`kmflow`: parses, calls one operation, prints; errors end in the product's one exit table."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kmflow_orchestration import __version__
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.redacted_process import install as install_redaction
from kmflow_orchestration.redaction import scrub

if TYPE_CHECKING:
    import typer

EXTRA_HINT = 'pip install "kmflow_orchestration[all]"'
FAILED = 1
USAGE = 2
CONFIGURATION_PROBLEM = 3
INTERRUPTED = 130


def run() -> None:
    """Entry point of the `kmflow` command."""
    # Imports make many objects, and all of them stay: looking for garbage among them takes a
    # quarter of a short command's time.
    gc.set_threshold(50_000, 20, 100)
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """One command of these arguments, by default the process's; its exit code."""
    install_redaction()
    try:
        return _outcome(arguments)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"kmflow: {error.name} is not installed; {EXTRA_HINT}\n")
        return CONFIGURATION_PROBLEM


def _outcome(arguments: Sequence[str] | None) -> int:
    import typer

    # Typer brings its own copy of Click and exports only this leaf of its usage errors.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    command = typer.main.get_command(build_app())
    try:
        return int(command.main(arguments, prog_name="kmflow", standalone_mode=False) or 0)
    except usage_error as error:
        return _misused(error)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except KmflowError as error:
        return _refused(error)
    except OSError as error:
        return _stopped_by_system(error)


def _misused(error: BaseException) -> int:
    scrub(error)  # it quotes what was typed
    show = getattr(error, "show", None)
    if show is not None:
        show()
    return int(getattr(error, "exit_code", USAGE))


def build_app() -> typer.Typer:
    """The whole command tree; each family imports what it needs only when it runs."""
    import typer

    from kmflow_orchestration.cli import (
        auth,
        config,
        connection,
        database,
        demo,
        dev,
        engagement,
        group,
        outputs,
        provision,
        secret,
        service,
        tokens,
        workspace,
    )

    app = typer.Typer(
        name="kmflow",
        help="From a file in a landing folder to typed tables, profiles and quality scores.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.command("demo")(demo.demo)
    app.command("dev")(dev.dev)
    app.command("provision")(provision.provision)
    group.app.command("check")(connection.check_group)
    group.app.command("discover")(connection.discover)
    database.app.command("test")(connection.try_connection)
    app.add_typer(group.app, name="group")
    app.add_typer(engagement.app, name="engagement")
    app.add_typer(tokens.app, name="token")
    app.add_typer(config.app, name="config")
    app.add_typer(outputs.app, name="output")
    app.add_typer(auth.app, name="auth")
    app.add_typer(secret.app, name="secret")
    app.add_typer(database.app, name="db")
    app.add_typer(workspace.app, name="workspace")
    app.add_typer(service.app, name="service")
    _tell_version(app)
    return app


def _tell_version(app: typer.Typer) -> None:
    import typer

    # Not `Annotated`: the name would be looked up in this module, which must not import Typer.
    flag = typer.Option(False, "--version", help="Print the version.")

    @app.callback(invoke_without_command=True)
    def told(*, version: bool = flag) -> None:
        """From a file in a landing folder to typed tables, profiles and quality scores."""
        if version:
            typer.echo(f"kmflow_orchestration {__version__}")
            raise typer.Exit


def _refused(error: KmflowError) -> int:
    from kmflow_orchestration.cli.output import complain

    complain(f"{error.code}: {error.message}", hint=error.hint)
    return error.exit_code


def _stopped_by_system(error: OSError) -> int:
    """A full disk, a folder that may not be written, a reader of our output that went away."""
    from kmflow_orchestration.cli.output import complain

    where = f"{error.filename}: " if error.filename else ""
    complain(f"{where}{error.strerror or type(error).__name__}")
    return FAILED
