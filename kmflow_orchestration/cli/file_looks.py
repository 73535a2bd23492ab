"""`kmflow info`, `validate` and `formats`: what files are, and what can be done with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.connection_options import Connecting, with_connection_options
from kmflow_orchestration.cli.conversion_failures import ending_cleanly
from kmflow_orchestration.cli.conversion_options import (
    MaxMemoryOption,
    TimeoutOption,
    VerboseOption,
)
from kmflow_orchestration.cli.given_password import (
    PasswordEnvOption,
    PasswordOption,
    PasswordStdinOption,
    given_password,
)
from kmflow_orchestration.cli.output import (
    JsonOption,
    complain,
    say,
    show_json,
    show_rows,
    show_text,
)
from kmflow_orchestration.cli.volume_options import GroupOption, MaxSizeOption, open_volumes

if TYPE_CHECKING:
    from kmflow_orchestration.operations.convert.list_formats import FormatFacts


class Form(StrEnum):
    """How the facts of a file are shown."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


@with_connection_options
def info(
    file: Annotated[str, typer.Argument(help="The file, here or in a Volume: /Volumes/….")],
    *,
    connecting: Connecting,
    form: Annotated[Form, typer.Option("--format", "-f", help="How to show it.")] = Form.TABLE,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why it is read as it is, and how sure that is.")
    ] = False,
    timeout: TimeoutOption = 3600,
    max_memory: MaxMemoryOption = 2048,
    password: PasswordOption = None,
    password_stdin: PasswordStdinOption = False,
    password_env: PasswordEnvOption = None,
    group: GroupOption = "",
    max_size_mb: MaxSizeOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Size, hash, format, tables with exact row counts, columns and types of a file."""
    from kmflow_orchestration.operations.convert.apart import inspect_apart
    from kmflow_orchestration.operations.convert.idle_process import kept_process
    from kmflow_orchestration.operations.convert.one_process import Limits

    with ending_cleanly(verbose=verbose):
        connecting.check_stdin(password_stdin=password_stdin)
        secret = given_password(password, from_stdin=password_stdin, variable=password_env)
        with (
            kept_process(Limits(timeout, max_memory << 20)) as process,
            open_volumes(
                file, group=group, max_size_mb=max_size_mb, connecting=connecting
            ) as volumes,
        ):
            run = partial(inspect_apart, process, explain=explain, password=secret)
            if volumes is None:
                found = run(Path(file))
            else:
                from kmflow_orchestration.operations.volume_conversion import volume_file_looks

                found = volume_file_looks.inspect_volume_file(file, volumes=volumes, run=run)
    if form is Form.JSON:
        show_json(found)
    elif form is Form.YAML:
        show_text(_yaml(found))
    else:
        _tell(found)


def _yaml(found: Mapping[str, Any]) -> str:
    import json

    import yaml

    plain = json.loads(json.dumps(found, default=str))
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def _tell(found: Mapping[str, Any]) -> None:
    facts = {
        "size": f"{found['size_bytes']} bytes",
        "SHA-256": found["sha256"],
        "read by": f"{found['converter']} {found['converter_version']}",
        **{f"pieces: {kind}": count for kind, count in found["pieces"].items()},
        **found["properties"],
    }
    show_rows(found["file"], ("fact", "value"), facts.items(), whole="value")
    if found["members"]:
        names = ("path", "size_bytes", "fate", "rows", "pieces", "message")
        members = [tuple(one[name] for name in names) for one in found["members"]]
        columns = ("file", "bytes", "fate", "rows", "pieces", "why")
        show_rows(f"{len(members)} files in it", columns, members, whole="file")
    for table in found["tables"]:
        how = ", ".join(f"{name} {value!r}" for name, value in table["read_as"].items())
        title = f"{table['part'] or 'table'}: {table['rows']} rows ({how})"
        rows = [(one["name"], one["type"], one["nulls"]) for one in table["columns"]]
        show_rows(title, ("column", "type", "NULLs"), rows)
    for warning in found["warnings"]:
        where = f" ({warning['location']})" if warning["location"] else ""
        say(f"{warning['code']}{where}: {warning['message']}")
    for reason in found["why"]:
        show_text(f"{reason}\n")


@with_connection_options
def validate(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="One or more files, here or in a Volume."),
    ],
    *,
    connecting: Connecting,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read to the end, not 1000 rows of each table.")
    ] = False,
    check_encoding: Annotated[
        bool,
        typer.Option(
            "--check-encoding", help="Name the encoding of texts; one in two at once is not sound."
        ),
    ] = False,
    timeout: TimeoutOption = 3600,
    max_memory: MaxMemoryOption = 2048,
    password: PasswordOption = None,
    password_stdin: PasswordStdinOption = False,
    password_env: PasswordEnvOption = None,
    group: GroupOption = "",
    max_size_mb: MaxSizeOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Whether each file's own reader takes it; exit 0 only if all are sound."""
    from kmflow_orchestration.operations.convert.apart import validate_apart
    from kmflow_orchestration.operations.convert.idle_process import kept_process
    from kmflow_orchestration.operations.convert.one_process import Limits

    with ending_cleanly(verbose=verbose):
        connecting.check_stdin(password_stdin=password_stdin)
        secret = given_password(password, from_stdin=password_stdin, variable=password_env)
        with (
            kept_process(Limits(timeout, max_memory << 20)) as process,
            open_volumes(
                *files, group=group, max_size_mb=max_size_mb, connecting=connecting
            ) as volumes,
        ):
            run = partial(
                validate_apart,
                process,
                deep=deep,
                check_encoding=check_encoding,
                password=secret,
            )
            if volumes is None:
                found = [run(Path(file)) for file in files]
            else:
                from kmflow_orchestration.operations.volume_conversion import volume_file_looks

                found = [
                    volume_file_looks.validate_volume_file(file, volumes=volumes, run=run)
                    for file in files
                ]
    if as_json:
        show_json({"files": found})
    else:
        for one in found:
            encoding = f", {one['encoding']}" if one["encoding"] else ""
            told = f"sound ({one['converter']}, {one['rows']} rows{encoding})"
            if not one["is_valid"]:
                told = f"{one['code']}: {one['message']}"
            show_text(f"{one['file']}: {told}\n")
    if not all(one["is_valid"] for one in found):
        raise typer.Exit(1)


def formats(
    *,
    suffix: Annotated[str, typer.Option("--input", help="Only what reads this suffix.")] = "",
    output: Annotated[str, typer.Option("--output", help="Only what makes this format.")] = "",
    as_json: JsonOption = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print docs/formats.md as this code makes it.")
    ] = False,
) -> None:
    """Formats that are read, what each becomes, its options, and what is missing to read it."""
    from kmflow_orchestration.operations.convert.lean_arrow import import_arrow

    import_arrow()
    from kmflow_orchestration.operations.convert.list_formats import (
        broken_plugins,
        formats_markdown,
        list_formats,
    )

    if markdown:
        show_text(formats_markdown())
        return
    with ending_cleanly(verbose=False):
        found, broken = list_formats(suffix=suffix, output=output), broken_plugins()
    for plugin in broken:
        complain(f"plugin {plugin.name} of {plugin.place} is not used: {plugin.reason}")
    if as_json:
        plugins = [asdict(one) for one in broken]
        show_json({"formats": [one.as_dict() for one in found], "broken_plugins": plugins})
    else:
        columns = ("converter", "reads", "becomes", "options", "reads with")
        show_rows("Formats", columns, _format_rows(found))
    if not found:
        say("no converter does that; `kmflow formats` lists them all")
        raise typer.Exit(1)


def _format_rows(found: tuple[FormatFacts, ...]) -> Iterator[tuple[str, ...]]:
    for one in found:
        libraries = [
            f"{library.module} {library.version}"
            if library.is_there
            else f"{library.module}: missing, pip install 'kmflow_orchestration[{library.extra}]'"
            for library in one.libraries
        ]
        yield (
            f"{one.converter} {one.version}",
            " ".join(one.inputs),
            one.makes,
            "\n".join(one.options),
            ", ".join(libraries),
        )
