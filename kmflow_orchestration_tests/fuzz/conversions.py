"""Every file of a folder converted, in a process that may die of it."""

from __future__ import annotations

import faulthandler
import json
from collections import Counter
from pathlib import Path

from kmflow_orchestration_tests import processes

# Small files take milliseconds; a machine that is busy takes some of them at a time.
_LIMIT_S = 60.0
DIED = "died"
CRASHED = "crashed"
_DONE = "done.jsonl"


def outcomes(folder: Path) -> dict[str, str]:
    """What became of each file of a folder, by name; one that kills its process died."""
    found: dict[str, str] = {}
    names = sorted(path.name for path in folder.iterdir())
    log = folder.parent / _DONE
    while len(found) < len(names):
        todo = [name for name in names if name not in found]
        log.unlink(missing_ok=True)
        processes.in_child(_convert_all, folder, todo, log)
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        found |= dict(lines)
        if len(lines) < len(todo):
            found[todo[len(lines)]] = DIED
    return found


def counted(found: dict[str, str]) -> Counter[str]:
    """How many files ended how, whatever the file or the reason."""
    return Counter(outcome.partition(":")[0] for outcome in found.values())


def _convert_all(folder: Path, names: list[str], log: Path) -> None:
    with log.open("a", encoding="utf-8") as stream:
        for name in names:
            # One that hangs is ended with its stack, be it in a library's own code.
            faulthandler.dump_traceback_later(_LIMIT_S, exit=True)
            print(json.dumps([name, _outcome(folder / name)]), file=stream, flush=True)
        faulthandler.cancel_dump_traceback_later()


def _outcome(path: Path) -> str:
    from kmflow_orchestration.converters.detection import detect
    from kmflow_orchestration.converters.interface import Source
    from kmflow_orchestration.converters.registry import default_converters
    from kmflow_orchestration.errors import CorruptInput

    # The name of the seed follows the number of the accident.
    source = Source(path, path.name.partition("_")[2])
    try:
        converter = detect(source, default_converters()).converter
        if converter is None:
            return "unread"
        for table in converter.open_tables(source):
            rows = sum(batch.num_rows for batch in table.batches())
            if not table.receipt.adds_up or rows != table.receipt.rows_written:
                return f"{CRASHED}: {rows} rows, {table.receipt}"
        blocks = sum(1 for _ in converter.open_text(source))
    except CorruptInput as error:
        return f"refused: {error.reason}"
    except Exception as error:  # noqa: BLE001 - whatever else comes out is what is looked for
        return f"{CRASHED}: {type(error).__name__}: {error}"
    return f"converted: {blocks} blocks"
