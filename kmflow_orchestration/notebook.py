"""Conversion for notebooks and scripts: the functions behind `kmflow convert` (row D16).

    from kmflow_orchestration.notebook import batch_convert, convert_file

    convert_file("loans.xlsx")                          # 'loans_parquet' or 'loans.parquet'
    done = batch_convert("inbox", "converted")          # a list of paths
    [one for one in done.results if one.error]          # and what became of each file

    setup_databricks("https://adb-….azuredatabricks.net", profile="dev", group="acme")
    convert_file("/Volumes/main/acme/work/loans.xlsx")  # needs no setup inside Databricks

Options are those of the command, by the names in docs/formats.md. What fails raises an error of
`kmflow_orchestration.errors`. A script that calls `batch_convert` does so below
`if __name__ == "__main__":`, as its processes import it.
"""

from __future__ import annotations

import getpass
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar

from kmflow_orchestration.config.databricks_file import (
    KEYS,
    conversion_defaults,
    find_file,
    read_file,
)
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.credentials.databricks_config import DatabricksConfig
from kmflow_orchestration.errors import ConfigurationError, DataLossError, InvalidOptions
from kmflow_orchestration.names import is_elsewhere
from kmflow_orchestration.operations.convert.apart import convert_apart
from kmflow_orchestration.operations.convert.contained_files import convert_whole
from kmflow_orchestration.operations.convert.convert_folder import Carrier, convert_folder
from kmflow_orchestration.operations.convert.convert_on_spark import convert_on_spark
from kmflow_orchestration.operations.convert.file_outcomes import FileOutcome
from kmflow_orchestration.operations.convert.folder_plan import plan_folder
from kmflow_orchestration.operations.convert.idle_process import kept_process
from kmflow_orchestration.operations.convert.layout import check_named
from kmflow_orchestration.operations.convert.one_process import Limits
from kmflow_orchestration.operations.convert.option_table import AUTO, OPTIONS, TABLE
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.progress import Tell
from kmflow_orchestration.operations.convert.progress_display import notebook_display
from kmflow_orchestration.operations.convert.temporary_files import temporary_files_in
from kmflow_orchestration.operations.table_conversion.carrier import plan_tables
from kmflow_orchestration.operations.table_conversion.convert_to_table import convert_to_table
from kmflow_orchestration.operations.table_conversion.group_tables import GroupTables, own_tables
from kmflow_orchestration.operations.volume_conversion.carrier import plan_carried
from kmflow_orchestration.operations.volume_conversion.convert_volume_file import (
    convert_volume_file,
)
from kmflow_orchestration.operations.volume_conversion.mounts import mounted_volumes
from kmflow_orchestration.operations.volume_conversion.own_volumes import own_volumes, save_setup
from kmflow_orchestration.operations.volume_conversion.volumes import Volumes

__all__ = [
    "ConvertedPaths",
    "DatabricksConfig",
    "FileResult",
    "batch_convert",
    "batch_convert_folder",
    "convert_file",
    "convert_in_notebook",
    "setup_databricks",
]

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one file of a batch; `error` is '' for one that was converted."""

    file: str
    status: str
    outputs: tuple[str, ...]
    rows: int
    seconds: float
    error: str


class ConvertedPaths(list[str]):
    """Paths of what was made, and in `results` what became of every file, by path."""

    def __init__(self, paths: Iterable[str], results: tuple[FileResult, ...]) -> None:
        super().__init__(paths)
        self.results = results


@dataclass
class _Setup:
    """What `setup_databricks` left for the calls after it."""

    volumes: Volumes | None = None
    tables: GroupTables | None = None
    close: Callable[[], None] = lambda: None

    def use(
        self,
        volumes: Volumes | None,
        tables: GroupTables | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.close()
        self.volumes, self.tables, self.close = volumes, tables, close


_SETUP = _Setup()


def setup_databricks(
    workspace_url: str | None = None,
    token: str | None = None,
    profile: str | None = None,
    *,
    group: str | None = None,
    catalog: str | None = None,
    schema: str | None = None,
    save: bool = False,
) -> None:
    """Say how `/Volumes/…` paths are reached from here; inside Databricks nothing is needed.

    What is not given comes from the environment (DATABRICKS_HOST, DATABRICKS_TOKEN,
    DATABRICKS_CATALOG, DATABRICKS_SCHEMA, KMFLOW_DEFAULT_GROUP), a profile, or
    `~/.kmflow/databricks.yaml`; a token that is missing for a `workspace_url` is asked for. It
    stays in memory, unless `save` has it written into a profile, and all else into that file.

    Raises:
        MissingGroup: nobody says whose Volumes they are.
        ConfigurationError: everything that is missing, by name; or what is to be saved cannot be.
    """
    named = (workspace_url, token, profile)
    if not any(named) and mounted_volumes() is not None:
        _SETUP.use(None)
        return
    if token:
        text = "a token in a cell can be read by others; rather name a profile or a secret scope"
        warnings.warn(text, stacklevel=2)
    secret = Secret(token) if token else None

    def ask(question: str) -> str:
        nonlocal secret
        typed = getpass.getpass(question).strip()
        secret = Secret(typed) if typed else None
        return typed

    options = {"host": workspace_url, "profile": profile, "catalog": catalog, "schema": schema}
    volumes, connections = own_volumes(
        load_settings(),
        group=group or "",
        token=token or "",
        options={name: value for name, value in options.items() if value},
        ask=ask,
    )
    _SETUP.use(volumes, own_tables(connections, volumes), connections.close)
    if save:
        save_setup(volumes, secret)


def _volumes_of(usual: _Usual, *paths: str | Path | None) -> Volumes | None:
    """The Volumes that one of these paths may lie in; None where all are of this machine."""
    if not any(path is not None and is_elsewhere(str(path)) for path in paths):
        return None
    if _SETUP.volumes is not None:
        return _SETUP.volumes
    mounted = mounted_volumes(max_size_mb=usual.max_size_mb)
    if mounted is None:
        raise ConfigurationError(
            "nobody has said how Volumes are reached from here", hint="call setup_databricks first"
        )
    return replace(mounted, catalog=usual.catalog, schema=usual.schema)


def _tables(output: str | Path | None) -> GroupTables:
    """The tables that results shall be. Raises InvalidOptions, ConfigurationError."""
    if output is not None:
        raise InvalidOptions(
            f"{output} is for files, and format_type='{TABLE}' makes a table", hint="leave it out"
        )
    if _SETUP.tables is None:
        raise ConfigurationError(
            "nobody has said whose tables they are, and how to get there",
            hint="call setup_databricks first, with group, workspace and a way to sign in",
        )
    return _SETUP.tables


@dataclass(frozen=True, slots=True)
class _Usual:
    """What environment and user's file say of conversions, read anew by each call."""

    options: Mapping[str, Any]
    temp_folder: Path | None
    parallel: int
    stops_on_error: bool
    max_size_mb: int | None
    catalog: str
    schema: str

    @classmethod
    def now(cls) -> Self:
        found = conversion_defaults(read_file(find_file(None)))
        folder = str(found.get("temp_directory", ""))
        return cls(
            {name: found[name] for name in ("compression", "types") if name in found},
            Path(folder).expanduser() if folder else None,
            int(found.get("parallel", KEYS["parallel"].default)),
            found.get("on_error") == "stop",
            int(found.get("max_file_size_mb") or 0) or None,
            str(found.get("default_catalog", "")),
            str(found.get("default_schema", "")),
        )


def _showing_options(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """`help()` then lists every option instead of `**options`."""
    own = [
        one
        for one in inspect.signature(function).parameters.values()
        if one.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    taken = {one.name for one in own}
    more = [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default)
        for one in OPTIONS
        if one.name not in taken
    ]
    function.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]
    return function


@_showing_options
def convert_file(
    input_path: str | Path,
    output_path: str | Path | None = None,
    format_type: str = AUTO,
    *,
    tell: Tell | None = None,
    timeout: float | None = None,
    max_memory: int | None = None,
    **options: Any,
) -> str:
    """Convert one file; the path of the result, which is a folder for several tables.

    `auto` makes Parquet of tables, and of a document its text and tables in a folder; `delta` the
    table that `table` names. `tell`
    hears (stage, done, total, unit, message); without it a notebook shows a bar. In a notebook the
    file is read in a process of its own that may take `timeout` seconds and `max_memory` megabytes,
    by default an hour and 2048; in a script, which that process imports, only if one of them is
    given.

    Raises:
        DatabricksConversionError: or one of its kinds. DataLossError when the result lacks
            something of the source, unless `allow_skip`.
    """
    usual = _Usual.now()
    chosen = conversion_options({**usual.options, **options, "format_type": format_type})
    check_named(output_path, "output_path")
    tables = _tables(output_path) if chosen.format_type == TABLE else None
    volumes = None if tables is not None else _volumes_of(usual, input_path, output_path)
    if tell is None and (shown := notebook_display()) is not None:
        tell = shown.at
    limits = _limits(timeout, max_memory)
    with (
        temporary_files_in(usual.temp_folder),
        nullcontext() if limits is None else kept_process(limits) as process,
    ):
        run: Any = convert_whole if process is None else partial(convert_apart, process)
        if tables is not None:
            done = convert_to_table(str(input_path), chosen, tables=tables, run=run, tell=tell)
        elif volumes is None:
            done = run(input_path, output_path, chosen, tell=tell)
        else:
            target = None if output_path is None else str(output_path)
            done = convert_volume_file(
                str(input_path), target, chosen, volumes=volumes, run=run, tell=tell
            )
    if done["missed"] and not chosen.allow_skip:
        raise DataLossError(
            f"{_path_of(done)} lacks something of the source: {'; '.join(done['missed'])}",
            hint="allow_skip=True accepts that",
        )
    return _path_of(done)


@_showing_options
def batch_convert(
    input_folder: str | Path,
    output_folder: str | Path | None = None,
    file_pattern: str = "*",
    format_type: str = "parquet",
    *,
    recursive: bool = False,
    parallel: int | None = None,
    resume: bool = True,
    spark: Any = None,
    **options: Any,
) -> ConvertedPaths:
    """Convert a folder's files side by side; one that fails stops no other.

    With `delta` and a `table` that is `catalog.schema`, each becomes a table there.
    What was converted before and has not changed since is left alone, with `resume`. With a `spark`
    session its workers convert the files; they must see both folders under the same paths.
    By itself 4 files are converted at a time.

    Raises:
        InvalidOptions: there is no such folder, an option is wrong, or Spark should convert what
            lies in a Volume.
        UnsafePath: the results would lie in the folder itself.
    """
    usual = _Usual.now()
    chosen = conversion_options({**usual.options, **options, "format_type": format_type})
    check_named(input_folder, "input_folder")
    check_named(output_folder, "output_folder")
    looking: dict[str, Any] = {"patterns": (file_pattern,), "recursive": recursive}
    tables = _tables(output_folder) if chosen.format_type == TABLE else None
    volumes = None if tables is not None else _volumes_of(usual, input_folder, output_folder)
    carrier: Carrier | None = None
    if tables is not None:
        plan, chosen, carrier = plan_tables(str(input_folder), chosen, tables=tables, **looking)
    elif volumes is None:
        target = None if output_folder is None else Path(output_folder)
        plan = plan_folder(Path(input_folder), target, **looking)
    else:
        goal = None if output_folder is None else str(output_folder)
        plan, carrier = plan_carried(
            str(input_folder), goal, volumes=volumes, options=chosen, check=True, **looking
        )
    if spark is None:
        shown = notebook_display()
        told: dict[str, Any] = {} if shown is None else {"on_file": shown.on_file}
        with temporary_files_in(usual.temp_folder):
            done = convert_folder(
                plan,
                chosen,
                parallel=usual.parallel if parallel is None else parallel,
                resume=resume,
                stop_on_error=usual.stops_on_error,
                carrier=carrier,
                **told,
            )
    elif carrier is None:
        done = convert_on_spark(plan, spark, chosen, resume=resume)
    else:
        raise InvalidOptions(
            "files in Volumes are converted by this machine",
            hint="leave out spark, or name folders that all workers see",
        )
    results = tuple(_result(one, allow_skip=chosen.allow_skip) for one in done.files)
    return ConvertedPaths((path for one in results for path in one.outputs), results)


convert_in_notebook = convert_file
batch_convert_folder = batch_convert


def _limits(timeout: float | None, max_memory: int | None) -> Limits | None:
    """Those of a process of its own; None to go without one."""
    is_script = hasattr(sys.modules["__main__"], "__file__")
    if timeout is None and max_memory is None and is_script:
        return None
    usual = Limits()
    return Limits(
        usual.timeout_s if timeout is None else timeout,
        usual.memory_bytes if max_memory is None else max_memory << 20,
    )


def _path_of(done: Mapping[str, Any]) -> str:
    outputs = done["outputs"]
    if "status" in done and len(outputs) > 1:
        # Their names begin with it.
        return str(done["table"])
    return str(outputs[0] if len(outputs) == 1 else Path(outputs[0]).parent)


def _result(one: FileOutcome, *, allow_skip: bool) -> FileResult:
    error = f"{one.code}: {one.message}" if one.code else ""
    if one.missed and not allow_skip:
        error = "; ".join(one.missed)
    return FileResult(one.path, one.status.value, one.outputs, one.rows, one.seconds, error)
