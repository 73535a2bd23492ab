"""`make bench`: run every benchmark, or those named, and write docs/benchmarks.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import (
    command_start,
    conversion,
    conversion_commands,
    conversion_pyforge,
    csv_detection,
    definitions_load,
    intake,
    large_files,
    migration,
    outputs,
    scale,
    ticks,
)
from benchmarks.report import Section, write

BENCHMARKS = {
    "intake": intake.run,
    "large_files": large_files.run,
    "outputs": outputs.run,
    "migration": migration.run,
    "ticks": ticks.run,
    "scale": scale.run,
    "conversion": conversion.run,
    "conversion_commands": conversion_commands.run,
    "conversion_pyforge": conversion_pyforge.run,
    "csv_detection": csv_detection.run,
    "definitions": definitions_load.run,
    "commands": command_start.run,
}
TARGET = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="default: all")
    parser.add_argument(
        "--files",
        type=int,
        default=10_000,
        help="files of the intake; the migration has twice as many, the ticks a hundred times",
    )
    parser.add_argument("--output", type=Path, default=TARGET)
    options = parser.parse_args()
    sections: list[Section] = []
    for name in options.names or BENCHMARKS:
        print(f"==> {name}")
        sections.append(BENCHMARKS[name](options))
    write(sections, options.output)
    print(f"==> wrote {options.output}")


if __name__ == "__main__":
    main()
