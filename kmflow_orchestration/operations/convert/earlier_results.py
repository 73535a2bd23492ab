"""What an earlier conversion of the same file left, and whether it still holds (row D13)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kmflow_orchestration.converters.receipt_words import MEMBER, READERS
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.operations.convert.convert_file import Conversion
from kmflow_orchestration.operations.convert.folder_plan import PlannedFile
from kmflow_orchestration.operations.convert.layout import (
    FOLDER_MANIFEST,
    manifest_name,
    version_name,
)
from kmflow_orchestration.operations.convert.manifest import Manifest, OutputRecord
from kmflow_orchestration.operations.convert.option_table import AUTO, FORMATS
from kmflow_orchestration.operations.convert.options import ConversionOptions


def _size_of(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


@dataclass(frozen=True, slots=True)
class EarlierResult:
    """A manifest that says it is of this very source, and in this format."""

    path: Path
    manifest: Manifest

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(str(self.path.parent / one.file) for one in self.manifest.outputs)

    @property
    def rejects(self) -> tuple[str, ...]:
        """Files with rows that were set aside, beside the outputs."""
        return tuple(str(self.path.parent / one) for one in self.manifest.rejects)

    @property
    def rows(self) -> int:
        return self.manifest.rows

    def is_current(
        self,
        source: Path,
        options: ConversionOptions,
        *,
        size_of: Callable[[Path], int | None] = _size_of,
    ) -> bool:
        """Same bytes, options and converter, and every file of it still there.

        `size_of` tells the size of a file of the result, in bytes, and None without one.
        """
        manifest = self.manifest
        return (
            manifest.options == options.recorded
            and _is_current(manifest.converter, manifest.converter_version)
            # Files in an archive have readers of their own.
            and all(_is_read_currently(one.receipt) for one in manifest.outputs)
            and _are_documents_current(manifest)
            and source.stat().st_size == manifest.source_size_bytes
            and all(self._is_there(one, size_of) for one in manifest.outputs)
            and sha256_of(source) == manifest.source_sha256
        )

    def _is_there(self, one: OutputRecord, size_of: Callable[[Path], int | None]) -> bool:
        if size_of(self.path.parent / one.file) != one.size_bytes:
            return False
        if not one.rejects:
            return True
        size = size_of(self.path.parent / one.rejects)
        return size == one.rejects_size_bytes if one.rejects_sha256 else size is not None

    def as_conversion(self, planned: PlannedFile, *, is_dry_run: bool = False) -> Conversion:
        """As if the file had been converted now."""
        return Conversion(
            planned.source,
            tuple(map(Path, self.outputs)),
            self.path,
            self.manifest,
            planned.base,
            is_dry_run=is_dry_run,
        )

    def remove_unless(self, done: Conversion) -> None:
        """Take it away if the new result lies elsewhere: with a second sheet a file is a folder."""
        if self.path == done.manifest_path:
            return
        if self.path.name == FOLDER_MANIFEST:
            shutil.rmtree(self.path.parent)
            return
        for output in map(Path, self.outputs):
            if output not in done.outputs:
                output.unlink(missing_ok=True)
        for rejects in map(Path, self.rejects):
            rejects.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def _is_read_currently(receipt: Mapping[str, Any]) -> bool:
    """Whether a table's reader is as it was; text has no receipt.

    The list of an archive's files tells of all their readers, also those of text alone.
    """
    name, version = receipt.get("converter"), receipt.get("converter_version")
    return (name is None or _is_current(name, version)) and all(
        _is_current(*reader.rsplit(":", 1))
        for reader in _told(receipt, READERS).split(",")
        if reader
    )


def _are_documents_current(manifest: Manifest) -> bool:
    """False for text out of an archive without the list that tells who read it."""
    told = [one.receipt for one in manifest.outputs]
    is_known = any(_told(one, READERS) for one in told) or not any(
        _told(one, MEMBER) for one in told
    )
    return is_known or not any(one.is_document for one in manifest.outputs)


def _told(receipt: Mapping[str, Any], name: str) -> str:
    return str(receipt.get("options", {}).get(name, ""))


def _is_current(name: str, version: str | None) -> bool:
    converter = default_converters().named(name)
    return converter is not None and converter.version == version


def find_earlier(planned: PlannedFile, options: ConversionOptions) -> EarlierResult | None:
    """The result of this file that is there already; None without one."""
    return next(earlier_results(planned, options), None)


def earlier_results(
    planned: PlannedFile, options: ConversionOptions, *, versions: int = 1
) -> Iterator[EarlierResult]:
    """The results of this file that are there, of so many versions, the newest first."""
    for number in range(versions, 0, -1):
        stem = version_name(planned.stem, number)
        yield from _of_version(replace(planned, stem=stem), options)


def _of_version(planned: PlannedFile, options: ConversionOptions) -> Iterator[EarlierResult]:
    for path in earlier_manifests(planned, options.format_type):
        if not path.is_file():
            continue
        try:
            manifest = Manifest.read(path)
        except CorruptInput:
            continue
        if manifest.is_of(planned.source, path.parent, planned.recorded) and (
            manifest.options.get("format_type") == options.format_type
        ):
            yield EarlierResult(path, manifest)
            return


def earlier_manifests(planned: PlannedFile, format_type: str) -> Iterator[Path]:
    """Where the manifest of an earlier conversion of this file may lie."""
    for one in FORMATS if format_type == AUTO else (format_type,):
        yield planned.folder / manifest_name(f"{planned.stem}.{one}")
        yield planned.folder / f"{planned.stem}_{one}" / FOLDER_MANIFEST
