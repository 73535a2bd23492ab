"""An inventory out of a file: ours as JSON or CSV, `sha256sum` lines, or a bare list of paths."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.intake.source_tree import SourceProblem
from kmflow_orchestration.operations.take_inventory import COLUMNS, Inventory, InventoryFile
from kmflow_orchestration.storage.evidence_paths import FOLDER

# A size that the list does not tell.
UNKNOWN_SIZE = -1
_SUM = re.compile(r"\\?(?P<sha256>[0-9a-f]{64}) [ *](?P<path>.+)")


def read_inventory(file: Path) -> Inventory:
    """What a file lists; sizes and hashes it does not tell are UNKNOWN_SIZE and ''.

    Raises:
        ConfigurationError: it cannot be read, or is no inventory.
    """
    try:
        text = file.read_text(encoding="utf-8")
        files, problems = _listed(text)
        found = sorted(files)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}", fields=("inventory",)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{file} is no inventory: {type(error).__name__}",
            fields=("inventory",),
            hint="kmflow inventory --source-dir DIR --report FILE writes one",
        ) from error
    folders = len({one.engagement for one in found})
    return Inventory(str(file), tuple(found), tuple(problems), folders)


def _listed(text: str) -> tuple[list[InventoryFile], list[SourceProblem]]:
    if text.lstrip().startswith("{"):
        told = json.loads(text)
        problems = [SourceProblem(**one) for one in told.get("problems", ())]
        return [_file(one) for one in told["files"]], problems
    if text.startswith(",".join(COLUMNS)):
        return [_file(one) for one in csv.DictReader(io.StringIO(text))], []
    files, problems = list[InventoryFile](), list[SourceProblem]()
    for path, sha256 in _lines(text):
        below = _below(path)
        engagement, _, rest = below.partition("/")
        if rest:
            files.append(InventoryFile(below, engagement, UNKNOWN_SIZE, sha256))
        else:
            problems.append(SourceProblem(path, "no_engagement", "lies in no engagement's folder"))
    return files, problems


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Path and hash of each line; of a folder, which a listing ends with `/`, nothing."""
    for line in text.splitlines():
        summed = _SUM.fullmatch(line)
        if summed is not None:
            yield summed["path"], summed["sha256"]
        elif line.strip() and not line.endswith("/"):
            yield line.strip(), ""


def _below(path: str) -> str:
    """A path below the folder of engagements, however the list names that folder."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if FOLDER in parts[:-1]:
        parts = parts[len(parts) - parts[::-1].index(FOLDER) :]
    return "/".join(parts)


def _file(fields: dict[str, Any]) -> InventoryFile:
    return InventoryFile(
        str(fields["path"]), str(fields["engagement"]), int(fields["bytes"]), str(fields["sha256"])
    )
