"""`kmflow trace`: from a row of a table to file, sheet and row of the evidence it came from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.conversion_failures import ending_cleanly
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
from kmflow_orchestration.clock import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmflow_orchestration.config.secret_refs import Secret
    from kmflow_orchestration.operations.convert.trace_result import ResultRow, ResultTrace
    from kmflow_orchestration.operations.trace_rows import Trace, TracedFile, TracedRow


_COLUMNS = ("column", "header", "in the source", "in the table")
_MORE = "more rows fit: --limit shows more of them, another KEY fewer"


def trace(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="Such as e1__loans or silver.TABLE; or a Parquet result."
        ),
    ],
    keys: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY...",
            help="COLUMN=VALUE, which all must fit; or EVIDENCE_ID:PART:ROW of a dataset row;"
            " of a result also a row's number from 1.",
        ),
    ],
    *,
    group: Annotated[
        str, typer.Option("--group", help="Id of the group; a result of `convert` has none.")
    ] = "",
    source: Annotated[
        Path | None,
        typer.Option("--source", help="What a result was made from, if that has moved."),
    ] = None,
    password: PasswordOption = None,
    password_stdin: PasswordStdinOption = False,
    password_env: PasswordEnvOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows at most.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Tell which file, version, sheet and row each fitting row came from, and read it there again.

    Exit 1 when no row fits, or an original cannot be read any more.
    """
    is_locked = password is not None or password_stdin or password_env is not None
    if not group and Path(table).is_file():
        secret = given_password(password, from_stdin=password_stdin, variable=password_env)
        with ending_cleanly(verbose=False):
            _trace_result(Path(table), keys, source, limit, secret, as_json=as_json)
        return
    if not group:
        raise typer.BadParameter(f"{table} is no file; a table is of a group", param_hint="--group")
    if source is not None or is_locked:
        raise typer.BadParameter("is about a result of `convert`", param_hint="--source")
    _trace_table(group, table, keys, limit, as_json=as_json)


def _trace_table(group: str, table: str, keys: list[str], limit: int, *, as_json: bool) -> None:
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.trace_rows import trace_rows

    caller = operator(group)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        arguments = context.group(own).tracing()
        found = trace_rows(own, table, keys, caller=caller, limit=limit, **arguments)
    if as_json:
        show_json(_told(found))
    else:
        _tell(found)
    if not found.rows:
        complain(f"no row of {found.table} fits {' '.join(keys)}")
    if not found.rows or not found.is_whole:
        raise typer.Exit(1)


def _trace_result(
    result: Path,
    keys: list[str],
    source: Path | None,
    limit: int,
    password: Secret | None,
    *,
    as_json: bool,
) -> None:
    from kmflow_orchestration.operations.convert.lean_arrow import import_arrow

    import_arrow()
    from kmflow_orchestration.operations.convert.trace_result import trace_result

    found = trace_result(result, keys, source, limit=limit, password=password)
    if as_json:
        show_json(found.as_dict())
    else:
        for row in found.rows:
            _tell_result_row(found, row)
        if found.has_more:
            say(_MORE)
    if not found.rows:
        complain(f"no row of {result} fits {' '.join(keys)}")
        raise typer.Exit(1)


def _tell_result_row(found: ResultTrace, row: ResultRow) -> None:
    facts = {"file": found.source, "SHA-256": found.source_sha256, "part": row.part}
    facts |= {"row": str(row.row), "cells": row.address, "read by": found.converter}
    told = [(what, text) for what, text in facts.items() if text]
    show_rows(f"Row {row.number} of {found.result}", ("what", ""), told)
    cells = [(one.column, one.header, one.text, one.value) for one in row.cells]
    show_rows("", _COLUMNS, cells)


def _told(found: Trace) -> dict[str, object]:
    return {
        "group": found.group,
        "table": found.table,
        "has_more": found.has_more,
        "rows": [asdict(one) for one in found.rows],
    }


def _tell(found: Trace) -> None:
    for one in found.rows:
        show_rows(f"A row of {found.table}", ("what", ""), list(_facts(one)))
        _tell_source(one)
    if found.has_more:
        say(_MORE)


def _facts(one: TracedRow) -> Iterator[tuple[str, object]]:
    if one.file is None:
        yield "file", f"the ledger knows no item {one.item_id}"
    else:
        yield from _file_facts(one.file)
    if one.part:
        yield "part", one.part
    if one.row is not None:
        yield "row", one.row
    if one.address:
        yield "cells", one.address
    if one.location:
        yield "place", one.location
    if one.receipt:
        yield "read by", f"{one.receipt['converter']} {one.receipt['converter_version']}"
        read_as = one.receipt.get("options") or {}
        yield "read as", ", ".join(f"{name} {value!r}" for name, value in read_as.items() if value)
    for correction in one.receipt.get("corrections") or ():
        said = f"{correction['name']} {correction['value']}"
        yield "corrected", f"{said}, by {correction['set_by']} since {correction['set_at']}"


def _file_facts(file: TracedFile) -> Iterator[tuple[str, object]]:
    yield "file", file.landing_path
    yield "version", f"{file.version} of {file.versions}, {file.state}"
    yield "item", file.item_id
    yield "SHA-256", file.content_hash
    yield "received on", file.received_on
    yield "stored (UTC)", iso(file.stored_at)
    yield "stored as", f"{file.stored_path} ({file.backend})"
    yield "run", file.run or "outside of Dagster"


def _tell_source(one: TracedRow) -> None:
    source = one.source
    if source is None:
        return
    if source.problem:
        complain(source.problem)
        return
    if source.line is not None:
        show_text(f"line {source.line.number}: {source.line.text}{_rest(source.line.left_out)}\n")
    rows = [
        (
            cell.column,
            cell.header,
            None if cell.text is None else cell.text + _rest(cell.left_out),
            one.values.get(cell.column),
        )
        for cell in source.cells
    ]
    show_rows("", _COLUMNS, rows)
    if source.rescued:
        say(f"beyond the columns: {source.rescued}")


def _rest(left_out: int) -> str:
    return f"… ({left_out} more characters)" if left_out else ""
