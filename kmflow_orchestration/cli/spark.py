"""`--force-pyspark`: a folder's files converted by a Spark engine, if there is one (D12, D26)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from kmflow_orchestration.cli.output import say

if TYPE_CHECKING:
    from kmflow_orchestration.operations.convert.file_outcomes import FolderOutcome
    from kmflow_orchestration.operations.convert.folder_plan import FolderPlan
    from kmflow_orchestration.operations.convert.options import ConversionOptions

ForcePysparkOption = Annotated[
    bool,
    typer.Option(
        "--force-pyspark",
        help="By the workers of the Spark engine that SPARK_REMOTE names; without one, here.",
    ),
]
_REMOTE, _PORT = "SPARK_REMOTE", 15002
_REACHED_WITHIN_S = 5.0


class NoSpark(Exception):
    """There is no engine; why not."""


def warn_of_one_file(*, is_asked: bool) -> None:
    """A file is read as a whole, by one reader."""
    if is_asked:
        warn_of_fallback("batch-convert shares out a folder's files, and this is one")


def warn_of_fallback(why: object) -> None:
    """What was asked for is not what is done."""
    say(f"warning: --force-pyspark is without effect: {why}; converted on this machine")


def on_spark(plan: FolderPlan, options: ConversionOptions, **settings: Any) -> FolderOutcome | None:
    """A folder converted by an engine, None without one or when it fails; then it is said why.

    What it did until then stays, and is not done again. `settings` are those of `convert_folder`.
    """
    from kmflow_orchestration.operations.convert.convert_on_spark import convert_on_spark

    try:
        _check_possible(settings)
        with _session() as session:
            return convert_on_spark(
                plan, session, options, resume=settings["resume"], limits=settings["limits"]
            )
    except NoSpark as error:
        warn_of_fallback(error)
        return None


def _check_possible(settings: Mapping[str, Any]) -> None:
    if settings["carrier"] is not None:
        raise NoSpark("files in Volumes are brought to one machine")
    if settings["dry_run"] or settings["stop_on_error"]:
        raise NoSpark("--dry-run and --on-error stop are for one machine")


@contextmanager
def _session() -> Iterator[Any]:
    """The session that runs here, or a new one of the engine that the environment names.

    Raises:
        NoSpark: neither is there, pyspark is not installed, or the engine failed in the block.
    """
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise NoSpark(
            f"{error.name or 'pyspark'} is missing: pip install 'kmflow_orchestration[embedded]'"
        ) from error
    try:
        # As in a job, or in a terminal of Databricks.
        active = SparkSession.getActiveSession()
        if active is not None:
            yield active
            return
        remote = os.environ.get(_REMOTE, "")
        if not remote:
            raise NoSpark(f"{_REMOTE} names no engine")
        _check_reachable(remote)
        session = SparkSession.builder.remote(remote).create()
        try:
            yield session
        finally:
            session.stop()
    except PySparkException as error:
        # Its text may hold the URL, and that a token.
        raise NoSpark(f"the engine failed: {type(error).__name__}") from error


def _check_reachable(remote: str) -> None:
    """Before the client, which tries for minutes. Raises NoSpark; the URL may hold a token."""
    try:
        place = urlsplit(remote)
        if place.scheme != "sc" or not place.hostname:
            raise NoSpark(f"{_REMOTE} is no sc://host:port")
        address = (place.hostname, place.port or _PORT)
        socket.create_connection(address, _REACHED_WITHIN_S).close()
    except (OSError, ValueError) as error:
        raise NoSpark(f"the engine of {_REMOTE} cannot be reached") from error
