"""One file converted, described or checked in a process of its own, under limits (row D22).

What comes back are plain values, so that this process need not load a reader.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import (
    ConverterCrashed,
    DatabricksConversionError,
    OutOfMemoryError,
    TimeLimitExceeded,
)
from kmflow_orchestration.operations.convert.layout import contained_folder, target_of
from kmflow_orchestration.operations.convert.one_process import (
    Limits,
    OneProcess,
    ProcessDied,
)
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.progress import Progress, Tell
from kmflow_orchestration.operations.convert.validity import Validity
from kmflow_orchestration.operations.convert.work_folder import nothing_left


def convert_apart(
    process: OneProcess,
    source: str | Path,
    output: str | Path | None,
    options: ConversionOptions,
    *,
    tell: Tell | None = None,
    dry_run: bool = False,
    password: Secret | None = None,
    recorded_source: str = "",
) -> dict[str, Any]:
    """`convert_whole` there.

    Raises:
        OutOfMemoryError, TimeLimitExceeded: the file needs more than the limits.
        ConverterCrashed: its reader took the process down.
        KmflowError, OSError: as `convert_file` does.
    """
    path = Path(source)
    task = _Conversion(
        path, output, options, dry_run, uuid4().hex, _Unlocking.of(password), recorded_source
    )
    hear = Progress(tell).at if tell is not None else None
    target = target_of(path, output)
    with nothing_left(target.beside, task.work_key, contained_folder(target.base)):
        return dict(_run(process, _convert, task, path, hear))


def inspect_apart(
    process: OneProcess, path: Path, *, explain: bool, password: Secret | None = None
) -> dict[str, Any]:
    """`inspect_file`; raises as it does, and as `convert_apart` does at its limits."""
    return dict(_run(process, _inspect, (path, explain, _Unlocking.of(password)), path))


def validate_apart(
    process: OneProcess,
    path: Path,
    *,
    deep: bool,
    check_encoding: bool = False,
    password: Secret | None = None,
) -> dict[str, Any]:
    """`validate_file`; a file beyond its limits, or that kills its reader, is not valid."""
    try:
        return dict(
            _run(process, _validate, (path, deep, check_encoding, _Unlocking.of(password)), path)
        )
    except DatabricksConversionError as error:
        return not_valid(path, error)


def not_valid(file: str | Path, error: DatabricksConversionError) -> dict[str, Any]:
    """A `Validity` that says why not."""
    return asdict(
        Validity(str(file), False, code=error.code, message=error.message, hint=error.hint)
    )


def limit_error(
    error: MemoryError | ProcessDied, name: object, limits: Limits
) -> DatabricksConversionError:
    """What became of a file whose process gave no answer."""
    if isinstance(error, MemoryError):
        text = f"{name} needs more memory than it may have"
        return OutOfMemoryError(text, hint="--max-memory gives it more")
    if error.timed_out:
        text = f"{name} took more than {limits.timeout_s:g} seconds"
        return TimeLimitExceeded(text, hint="--timeout gives it more")
    text = f"the process that converted {name} died"
    return ConverterCrashed(text, hint="--max-memory may have been too little for it")


def _run(
    process: OneProcess,
    function: Callable[..., Any],
    task: Any,
    path: Path,
    hear: Callable[..., None] | None = None,
) -> Any:
    try:
        return process.run(function, task, hear=hear)
    except (MemoryError, ProcessDied) as error:
        raise limit_error(error, path, process.limits) from error


@dataclass(frozen=True, slots=True)
class _Unlocking:
    """A password on its way through the pipe to a process of ours: a Secret is never pickled."""

    value: str = field(repr=False)

    @classmethod
    def of(cls, password: Secret | None) -> Self:
        return cls(password.reveal() if password is not None else "")

    @property
    def password(self) -> Secret | None:
        return Secret(self.value) if self.value else None


@dataclass(frozen=True, slots=True)
class _Conversion:
    """What goes to the other process of one file."""

    source: Path
    output: str | Path | None
    options: ConversionOptions
    dry_run: bool
    work_key: str
    unlocking: _Unlocking
    recorded_source: str


def _convert(task: _Conversion, tell: Tell | None = None) -> dict[str, Any]:
    from kmflow_orchestration.operations.convert.contained_files import convert_whole

    return convert_whole(
        task.source,
        task.output,
        task.options,
        tell=tell,
        dry_run=task.dry_run,
        work_key=task.work_key,
        password=task.unlocking.password,
        recorded_source=task.recorded_source,
    )


def _inspect(task: tuple[Path, bool, _Unlocking]) -> dict[str, Any]:
    from kmflow_orchestration.operations.convert.inspect_file import inspect_file

    path, explain, unlocking = task
    return inspect_file(path, explain=explain, password=unlocking.password).as_dict()


def _validate(task: tuple[Path, bool, bool, _Unlocking]) -> dict[str, Any]:
    from kmflow_orchestration.operations.convert.inspect_file import validate_file

    path, deep, check_encoding, unlocking = task
    return asdict(
        validate_file(path, deep=deep, check_encoding=check_encoding, password=unlocking.password)
    )
