"""Converters that others wrote: found by entry point, or in a folder that is named (row D23).

A plugin is a class derived from `BaseConverter`. A package offers it under the entry-point group
`kmflow.converters`; a folder named by `KMFLOW_PLUGIN_DIR` holds Python files with such classes.
One that cannot be loaded is told by `kmflow formats`, and the others go on.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from kmflow_orchestration.converters.arrow_files import ArrowTable
from kmflow_orchestration.converters.interface import Converter, Source
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.plugin_places import (
    FOLDER_VARIABLE,
    installed_points,
    plugin_folder,
)
from kmflow_orchestration.converters.reader_options import check_names
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.names import short_hash

# Such a file's suffix speaks for it, and nothing in its content.
_BY_SUFFIX = 0.4


class BaseConverter(TableConverter):
    """What a plugin derives from: it names its suffixes and gives record batches.

    `read` is all that must be written; types are proven and counts are taken from its batches.
    One with several tables, or with text, overrides `open_tables` or `open_text` and sets `output`.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    suffixes: ClassVar[tuple[str, ...]]
    media_types: ClassVar[tuple[str, ...]] = ()

    def detect(self, source: Source, head: bytes) -> float:
        """By the suffix alone; see Converter."""
        return _BY_SUFFIX if source.suffix in self.suffixes else 0.0

    def read(self, source: Source, **options: Any) -> Iterator[pa.RecordBatch]:
        """Rows of the file in their order, at least one batch, all of one schema.

        May be called again for the same file. Raises CorruptInput for content it cannot read.
        """
        raise NotImplementedError(f"{type(self).__name__} has no `read`")

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """The one table of what `read` gives. Raises ConfigurationError for unknown options."""
        given = dict(options or {})
        check_names(given, self.options())
        origin = self.origin(source)
        return (ArrowTable(self.name, origin, _with_schema(lambda: self.read(source, **given))),)


def _with_schema(
    read: Callable[[], Iterator[pa.RecordBatch]],
) -> Callable[[], Iterator[pa.RecordBatch]]:
    """A batch without rows first, for the schema."""

    def reading() -> Iterator[pa.RecordBatch]:
        batches = iter(read())
        first = next(batches, None)
        if first is None:
            first = pa.RecordBatch.from_pylist([])
        yield first.slice(0, 0)
        yield from chain((first,), batches)

    return reading


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin that is not used, where it was found, and why."""

    name: str
    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plugins:
    """What was found, in the order of names."""

    converters: tuple[Converter, ...] = ()
    broken: tuple[BrokenPlugin, ...] = ()


def installed_plugins() -> Plugins:
    """Plugins of installed packages, and of the folder that the environment names."""
    return _found(plugin_folder())


@cache
def _found(folder: str) -> Plugins:
    found: list[Converter] = []
    broken: list[BrokenPlugin] = []
    for name, place, load in chain(_entry_points(), _files(folder)):
        try:
            found += [_checked(one)() for one in load()]
        # Whatever somebody else's module does when it is imported, ours go on without it.
        except Exception as error:  # noqa: BLE001
            broken.append(BrokenPlugin(name, place, f"{type(error).__name__}: {error}"))
    return Plugins(tuple(found), tuple(broken))


_Load = Callable[[], Iterable[Any]]


def _entry_points() -> Iterator[tuple[str, str, _Load]]:
    for point in sorted(installed_points(), key=lambda one: one.name):
        place = point.dist.name if point.dist is not None else point.value
        yield point.name, place, partial(_loaded, point)


def _loaded(point: importlib.metadata.EntryPoint) -> tuple[Any, ...]:
    return (point.load(),)


def _files(folder: str) -> Iterator[tuple[str, str, _Load]]:
    if not folder:
        return
    place = Path(folder)
    if not place.is_dir():
        raise ConfigurationError(
            f"there is no folder {folder}", fields=(FOLDER_VARIABLE,), hint="name one, or unset it"
        )
    for path in sorted(place.glob("*.py")):
        yield path.stem, str(path), partial(_classes, path)


def _classes(path: Path) -> list[type]:
    """Converters that a file defines; those that it only imports are not its own."""
    # A name of its own, so that no module of the same file name is shadowed.
    name = f"kmflow_plugin_{path.stem}_{short_hash(str(path.resolve()), 8)}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    found = [
        one
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, BaseConverter) and one.__module__ == name
    ]
    if not found:
        raise TypeError("it defines no class derived from BaseConverter")
    return found


def _checked(found: Any) -> type[Converter]:
    """Raises TypeError for what is no plugin."""
    if not (inspect.isclass(found) and issubclass(found, BaseConverter)):
        raise TypeError(f"{found!r} is no class derived from BaseConverter")
    for needed in ("name", "suffixes"):
        if not getattr(found, needed, None):
            raise TypeError(f"{found.__name__} has no {needed}")
    return found
