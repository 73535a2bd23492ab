"""Conversion for notebooks and scripts: the functions behind `kmflow convert` (row D16).

    from kmflow_orchestration.notebook import batch_convert, convert_file

    convert_file("loans.xlsx")                          # 'loans_parquet' or 'loans.parquet'
    done = batch_convert("inbox", "converted")          # a list of paths
    [one for one in done.results if one.error]          # and what became of each file

Options are those of the command, by the names in docs/formats.md. What fails raises an error of
`kmflow_orchestration.errors`. A script that calls `batch_convert` does so below
`if __name__ == "__main__":`, as its processes import it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from kmflow_orchestration.errors import DataLossError
from kmflow_orchestration.operations.convert.apart import convert_apart, kept_process
from kmflow_orchestration.operations.convert.contained_files import convert_whole as _convert
from kmflow_orchestration.operations.convert.convert_folder import FileOutcome, convert_folder
from kmflow_orchestration.operations.convert.folder_plan import plan_folder
from kmflow_orchestration.operations.convert.one_process import Limits
from kmflow_orchestration.operations.convert.options import AUTO, OPTIONS, conversion_options
from kmflow_orchestration.operations.convert.progress import Tell

__all__ = [
    "ConvertedPaths",
    "FileResult",
    "batch_convert",
    "batch_convert_folder",
    "convert_file",
    "convert_in_notebook",
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

    `auto` makes Parquet of tables, and of a document its text and tables in a folder. `tell`
    hears (stage, done, total, unit, message). In a notebook the file is read in a process of its
    own that may take `timeout` seconds and `max_memory` megabytes, by default an hour and 2048; in
    a script, which that process imports, only if one of them is given.

    Raises:
        DatabricksConversionError: or one of its kinds. DataLossError when the result lacks
            something of the source, unless `allow_skip`.
    """
    chosen = conversion_options({**options, "format_type": format_type})
    limits = _limits(timeout, max_memory)
    if limits is None:
        done = _convert(input_path, output_path, chosen, tell=tell)
    else:
        with kept_process(limits) as process:
            done = convert_apart(process, input_path, output_path, chosen, tell=tell)
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
    parallel: int = 4,
    resume: bool = True,
    **options: Any,
) -> ConvertedPaths:
    """Convert a folder's files side by side; one that fails stops no other.

    What was converted before and has not changed since is left alone, with `resume`.

    Raises:
        InvalidOptions: there is no such folder, or an option is wrong.
        UnsafePath: the results would lie in the folder itself.
    """
    chosen = conversion_options({**options, "format_type": format_type})
    target = None if output_folder is None else Path(output_folder)
    plan = plan_folder(Path(input_folder), target, patterns=(file_pattern,), recursive=recursive)
    done = convert_folder(plan, chosen, parallel=parallel, resume=resume)
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
    return str(outputs[0] if len(outputs) == 1 else Path(outputs[0]).parent)


def _result(one: FileOutcome, *, allow_skip: bool) -> FileResult:
    error = f"{one.code}: {one.message}" if one.code else ""
    if one.missed and not allow_skip:
        error = "; ".join(one.missed)
    return FileResult(one.path, one.status.value, one.outputs, one.rows, one.seconds, error)
