"""The house's one-way imports, read from the code itself (style guide, part 3)."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kmflow_orchestration

ROOT = Path(kmflow_orchestration.__file__).parent
PACKAGE = "kmflow_orchestration"

# Redaction lies below everything: errors clean their own texts.
FLOOR = {
    "errors",
    "extras",
    "clock",
    "names",
    "file_hash",
    "identity",
    "tables",
    "redaction",
    "redacted_process",
}
DAGSTER_SKINS = {"resources", "partitions", "assets", "jobs", "sensors", "schedules"}
# What each area may import besides itself; every area may use the floor.
LAYERS: dict[str, set[str]] = {
    "sail": set(),
    "config": {"sail"},
    # Who asks and what a role may do: below the repositories that keep its tokens, and apart from
    # `config`, whose settings know nothing of callers.
    "access": {"config"},
    # Where a sign-in comes from: environment, profile files; knows neither network nor SDK.
    "credentials": {"config"},
    # What becomes of a task's value, pure: it needs a group's settings and nothing below them.
    "outputs": {"config"},
    "databricks_client": {"sail", "config", "credentials"},
    "metadata": {"sail", "config", "access", "databricks_client", "sqlite_engine"},
    "converters": {"sail", "config", "databricks_client"},
    "profiling": {"sail", "config", "databricks_client"},
}
LAYERS["storage"] = {*LAYERS, "metadata", "converters", "profiling"}
LAYERS["intake"] = {*LAYERS, "storage"}
LAYERS["runs"] = {*LAYERS, "storage"} - {"intake"}
LAYERS["operations"] = {*LAYERS, "intake", "runs"}
# SQLAlchemy on the lakehouse, for people's own code: it must not see the control database's models,
# and nothing the pipeline does rests on it.
LAYERS["lakehouse_sql"] = {"sail", "config", "databricks_client", "sqlite_engine"}
# Whole databases, as files: knows their addresses and revisions, and nothing that is in them.
LAYERS["backup"] = {"config", "metadata"}
LAYERS["doctor"] = {*LAYERS, "operations"} - {"lakehouse_sql", "backup"}
LAYERS["context"] = {*LAYERS, "operations"}
# A library's engine, set to what both kinds of SQLite files of ours need.
LAYERS["sqlite_engine"] = set()
_BELOW_SKINS = {*LAYERS, "context"}
LAYERS["partitions"] = _BELOW_SKINS
LAYERS["resources"] = _BELOW_SKINS | {"partitions"}
LAYERS["assets"] = _BELOW_SKINS | {"resources", "partitions"}
LAYERS["jobs"] = _BELOW_SKINS | {"resources", "partitions", "assets"}
LAYERS["sensors"] = _BELOW_SKINS | {"resources", "partitions", "jobs"}
LAYERS["schedules"] = _BELOW_SKINS | {"resources", "partitions", "jobs"}
LAYERS["service"] = _BELOW_SKINS
# Runs where only the bare wheel is installed, as the job's entry point does.
LAYERS["notebooks"] = {"profiling"}
# What people import in notebooks and scripts of their own: conversion, and no group's database.
LAYERS["notebook"] = {"config", "credentials", "operations"}
LAYERS["definitions"] = _BELOW_SKINS | DAGSTER_SKINS
LAYERS["demo"] = _BELOW_SKINS | DAGSTER_SKINS | {"definitions", "service", "workspace"}
LAYERS["cli"] = _BELOW_SKINS | {"service", "workspace", "demo"}
LAYERS["workspace"] = {"sail"}

HOMES = {
    "dagster": DAGSTER_SKINS | {"definitions", "demo"},
    "dagster_postgres": {"resources"},
    "fastapi": {"service"},
    "databricks": {"databricks_client"},
    # The driver and dialect of Databricks SQL; the embedded workspace speaks the driver's protocol.
    "databricks.sql": {"lakehouse_sql", "workspace"},
    "databricks.sqlalchemy": {"lakehouse_sql"},
    "thrift": {"workspace"},
    "sqlalchemy": {"metadata", "lakehouse_sql", "sqlite_engine"},
    "alembic": {"metadata"},
    "duckdb": {"converters"},
    "python_calamine": {"converters"},
    "puremagic": {"converters"},
    "charset_normalizer": {"converters"},
    "lxml": {"converters"},
    "olefile": {"converters"},
    # They leave out inserted text, text boxes and notes, and hold every picture in memory.
    "docx": set(),
    "pptx": set(),
    "pypdfium2": {"converters"},
    "selectolax": {"converters"},
    "striprtf": {"converters"},
    "oxmsg": {"converters"},
    "pysail": {"sail"},
    "starlette": {"workspace", "service"},
    "typer": {"cli"},
    "openpyxl": {"demo"},
}


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == PACKAGE:
                yield from ((node.lineno, f"{PACKAGE}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module or ""


def _area(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def test_imports_point_down_only():
    broken = []
    for module, path in _modules():
        area = _area(module)
        allowed = FLOOR if area in FLOOR else FLOOR | LAYERS.get(area, set()) | {area}
        for line, name in _imports(path):
            if name.startswith(f"{PACKAGE}."):
                target = _area(name.removeprefix(f"{PACKAGE}."))
                if target not in allowed | {"__version__"}:
                    broken.append(f"{module}:{line} imports {target}")
    assert broken == []


def test_each_library_stays_in_its_home():
    broken = [
        f"{module}:{line} imports {name}"
        for module, path in _modules()
        for line, name in _imports(path)
        if (homes := _homes(name)) is not None
        and _area(module) not in homes
        and not _area(module).startswith("__init__")
    ]
    assert broken == []


def _homes(name: str) -> set[str] | None:
    """Where a library may be imported; the longest name that is listed decides."""
    parts = name.split(".")
    listed = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((HOMES[prefix] for prefix in listed if prefix in HOMES), None)


def test_every_area_has_its_place_in_the_layers():
    areas = {_area(module) for module, _ in _modules()} - {"__init__", "__main__"}

    assert areas <= FLOOR | set(LAYERS)


def test_no_postponed_annotations_where_dagster_reads_them():
    broken = [
        module
        for module, path in _modules()
        if _area(module) in DAGSTER_SKINS | {"definitions"}
        and any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    ]
    assert broken == []


def test_no_import_cycles_between_modules():
    graph = {
        module: {
            name.removeprefix(f"{PACKAGE}.")
            for _, name in _imports(path)
            if name.startswith(f"{PACKAGE}.")
        }
        for module, path in _modules()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join((*trail, module))
        if module in done or module not in graph:
            return
        for target in graph[module]:
            visit(target, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


LOAD_DEFINITIONS = """
import socket, sys

def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened while definitions loaded")

socket.socket.connect = refuse
socket.create_connection = refuse
from kmflow_orchestration.definitions import defs
definitions = defs() if callable(defs) else defs
definitions.get_repository_def()
heavy = {"pyspark", "dagster_databricks", "databricks.sdk", "pandas", "duckdb", "pysail"}
heavy |= {"databricks.sql", "databricks.sqlalchemy", "thrift"}
print(",".join(sorted(heavy & set(sys.modules))))
"""


@pytest.mark.slow
def test_definitions_load_with_nothing_set_and_no_network(tmp_path):
    child = subprocess.run(
        [sys.executable, "-c", LOAD_DEFINITIONS],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert child.returncode == 0, child.stderr
    assert child.stdout.strip() == ""
