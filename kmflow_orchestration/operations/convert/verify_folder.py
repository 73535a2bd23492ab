"""Every result of a batch's folder against its source, one after another (H4, CD-N3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.converters.registry import ConverterRegistry, default_converters
from kmflow_orchestration.errors import DatabricksConversionError, InvalidOptions, KmflowError
from kmflow_orchestration.operations.convert.layout import FOLDER_MANIFEST
from kmflow_orchestration.operations.convert.manifest import Manifest, manifests_below
from kmflow_orchestration.operations.convert.verify_output import (
    OutputVerification,
    verify_output,
)
from kmflow_orchestration.storage.disk_faults import reason


@dataclass(frozen=True, slots=True)
class ResultVerification:
    """One result by its manifest: what was compared, or why it could not be."""

    manifest_path: str
    found: OutputVerification | None
    code: str = ""
    message: str = ""

    @property
    def is_equal(self) -> bool:
        return self.found is not None and self.found.is_equal

    def as_dict(self) -> dict[str, Any]:
        told = {"manifest_path": self.manifest_path, "code": self.code, "message": self.message}
        compared = self.found.as_dict() if self.found is not None else {}
        return {**compared, **told, "is_equal": self.is_equal}


@dataclass(frozen=True, slots=True)
class FolderVerification:
    """Every result below a folder, by path."""

    output: str
    results: tuple[ResultVerification, ...]

    @property
    def is_equal(self) -> bool:
        return not self.unequal

    @property
    def unequal(self) -> int:
        """How many are not equal."""
        return sum(not one.is_equal for one in self.results)

    def as_dict(self) -> dict[str, Any]:
        return {
            "output": self.output,
            "results": [one.as_dict() for one in self.results],
            "is_equal": self.is_equal,
            "unequal": self.unequal,
        }


def is_batch(output: Path) -> bool:
    """Whether it is a folder of results rather than one result."""
    return output.is_dir() and not (output / FOLDER_MANIFEST).is_file()


def verify_folder(
    output: Path,
    source: Path | None = None,
    *,
    registry: ConverterRegistry | None = None,
    clock: Clock | None = None,
    password: Secret | None = None,
) -> FolderVerification:
    """`verify_output` of every result below a folder; one that cannot be compared stops no other.

    With `source`, a folder, the sources lie there as the results lie in `output`.

    Raises:
        InvalidOptions: there is no result, or `source` is no folder.
    """
    if source is not None and not source.is_dir():
        raise InvalidOptions(f"{source} is no folder", hint="a batch is made from a folder")
    known = registry or default_converters()
    found = []
    for path in manifests_below(output):
        try:
            origin = None if source is None else _origin(path, output, source)
            one = verify_output(path, origin, registry=known, clock=clock, password=password)
            found.append(ResultVerification(str(path), one))
        except KmflowError as error:
            found.append(ResultVerification(str(path), None, error.code, error.message))
        except OSError as error:
            text = f"{error.filename or path}: {reason(error)}"
            found.append(ResultVerification(str(path), None, DatabricksConversionError.code, text))
    if not found:
        raise InvalidOptions(
            f"no manifest of a conversion lies in {output}",
            hint="name a file or folder that `kmflow convert` or `batch-convert` made",
        )
    return FolderVerification(str(output), tuple(found))


def _origin(path: Path, output: Path, source: Path) -> Path | None:
    """Where the source of a result lies below another folder; as noted for what was inside one."""
    manifest = Manifest.read(path)
    if manifest.parent_sha256:
        return None
    place = path.parent.parent if path.name == FOLDER_MANIFEST else path.parent
    return source / place.relative_to(output) / manifest.source_name
