"""From rows of a result to part and row of its source, read there again (CD-N2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from kmflow_orchestration.config.nearest import nearest
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.converters.cell_addresses import cell_address
from kmflow_orchestration.converters.interface import SOURCE_ROW, Source
from kmflow_orchestration.converters.registry import ConverterRegistry, default_converters
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.errors import CorruptInput, InvalidOptions, UnsupportedFormatError
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.operations.convert.manifest import Manifest, OutputRecord, find_manifest
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.output_tables import OutputTable
from kmflow_orchestration.operations.convert.parts import parts_of
from kmflow_orchestration.operations.convert.provenance import part_column
from kmflow_orchestration.operations.convert.source_reading import (
    checked_source,
    naming_faults,
    open_source,
)
from kmflow_orchestration.operations.convert.unlocking import unlocked

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute

MAX_ROWS = 1000
_SHOWN = 10_000

Place = tuple[str, int]
"""Part and row."""


@dataclass(frozen=True, slots=True)
class ResultCell:
    """A column's value, and the text of its cell in the source; of a long text the first part."""

    column: str
    header: str
    value: Any
    text: str | None


@dataclass(frozen=True, slots=True)
class ResultRow:
    """A row of a result, `number` from 1, and where it stands in the source."""

    number: int
    part: str
    row: int
    address: str
    cells: tuple[ResultCell, ...]


@dataclass(frozen=True, slots=True)
class ResultTrace:
    """Rows that fit; `has_more` says that there are others beyond the limit."""

    result: str
    source: str
    source_sha256: str
    converter: str
    options: Mapping[str, Any]
    rows: tuple[ResultRow, ...]
    has_more: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def trace_result(
    result: Path,
    keys: Sequence[str],
    source: Path | None = None,
    *,
    limit: int = 10,
    registry: ConverterRegistry | None = None,
    password: Secret | None = None,
) -> ResultTrace:
    """Trace rows of a Parquet file that a conversion made: by a number from 1, or COLUMN=VALUE.

    The source is read again with the options of then, whether or not the result has provenance
    columns. Without `source` the manifest says where it lies.

    Raises:
        InvalidOptions: no manifest speaks for the file, a key names no row, or the source is not
            there, or is not what was converted.
        UnsupportedFormatError: the result is no Parquet file of a table.
        CorruptInput: the result, the manifest or the source cannot be read.
    """
    manifest, folder = _manifest_of(result)
    record = next((one for one in manifest.outputs if one.file == result.name), None)
    if record is None or record.file_format != "parquet":
        raise UnsupportedFormatError(f"{result} is no Parquet file of a conversion")
    limit = min(max(limit, 1), MAX_ROWS)
    found = _found(result, keys, limit + 1)
    has_more = len(found) > limit
    origin = source if source is not None else folder / manifest.source_path
    if not origin.is_file():
        raise InvalidOptions(f"the source {origin} is not there", hint="name it with --source")
    if sha256_of(origin) != manifest.source_sha256:
        raise InvalidOptions(
            f"{origin} does not hold the bytes that were converted",
            hint="name the file as it was with --source",
        )
    numbers = sorted(found)[:limit]
    with unlocked(checked_source(origin), password) as content:
        table = _source_table(manifest, record, origin, content, registry or default_converters())
        with naming_faults(content):
            read = _read(table, {number: found[number] for number in numbers})
    return ResultTrace(
        str(result),
        str(origin),
        manifest.source_sha256,
        f"{manifest.converter}:{manifest.converter_version}",
        manifest.options,
        read,
        has_more,
    )


def _manifest_of(result: Path) -> tuple[Manifest, Path]:
    path = find_manifest(result) if result.is_file() else None
    if path is None:
        raise InvalidOptions(
            f"no manifest of a conversion speaks for {result}",
            hint="name a file that `kmflow convert` made; rows of a group's table need --group",
        )
    return Manifest.read(path), path.parent


def _found(result: Path, keys: Sequence[str], limit: int) -> dict[int, dict[str, Any]]:
    """Rows that all keys fit, by their numbers."""
    try:
        with pq.ParquetFile(result) as file:
            return _matching(file, keys, limit)
    except pa.ArrowException as error:
        raise CorruptInput(f"{result} cannot be read: {error}") from error


def _matching(file: Any, keys: Sequence[str], limit: int) -> dict[int, dict[str, Any]]:
    wanted = [_condition(file.schema_arrow, key) for key in keys]
    found: dict[int, dict[str, Any]] = {}
    before = 0
    for batch in file.iter_batches():
        numbers = pa.array(range(before + 1, before + batch.num_rows + 1), pa.int64())
        fits = pa.repeat(pa.scalar(True), batch.num_rows)
        for column, value in wanted:
            values = numbers if column is None else batch.column(column)
            fits = pc.and_(fits, pc.fill_null(pc.equal(values, value), False))
        at: list[Any] = pc.filter(numbers, fits).to_pylist()
        chosen = batch.filter(fits).slice(0, limit - len(found)).to_pylist()
        found.update(zip(at, chosen, strict=False))
        if len(found) >= limit:
            break
        before += batch.num_rows
    return found


def _condition(schema: pa.Schema, key: str) -> tuple[str | None, Any]:
    """A column, None for the row's number, and the value it must have."""
    if key.isascii() and key.isdigit() and len(key) < 19:
        return None, pa.scalar(int(key), pa.int64())
    name, is_pair, text = key.partition("=")
    if not is_pair or not name:
        hint = "the number of a row from 1, or COLUMN=VALUE"
        raise InvalidOptions(f"{key!r} names no row", hint=hint)
    if name not in schema.names:
        raise InvalidOptions(
            f"there is no column {name!r}{nearest(name, schema.names)}",
            hint=f"the columns: {', '.join(schema.names)}",
        )
    kind = schema.field(name).type
    try:
        return name, pa.scalar(text).cast(kind)
    except pa.ArrowException as error:
        raise InvalidOptions(f"{text!r} is no {kind}, as column {name} is") from error


def _source_table(
    manifest: Manifest,
    record: OutputRecord,
    origin: Path,
    content: Source,
    registry: ConverterRegistry,
) -> OutputTable:
    """The table that became the file, as its source gives it now."""
    converter = registry.named(manifest.converter)
    if converter is None:
        raise UnsupportedFormatError(f"there is no converter {manifest.converter} here")
    options = conversion_options(manifest.options)
    # By the name it had: it may say how the content is to be read.
    named = replace(checked_source(origin), file_name=manifest.source_name)
    plain = replace(content, file_name=manifest.source_name)
    opened = open_source(named, converter, options, content=plain)
    for part, one in zip(parts_of(opened, options), manifest.outputs, strict=False):
        if one.file == record.file and isinstance(part.rows, OutputTable):
            return part.rows
    raise UnsupportedFormatError(f"{record.file} is no table of its source any more")


def _read(table: OutputTable, found: Mapping[int, Mapping[str, Any]]) -> tuple[ResultRow, ...]:
    places = dict(_places(table, found))
    texts = dict(_texts(table, set(places.values()))) if places else {}
    names = table.schema.names
    if table.provenance is not None:
        names = names[len(table.provenance.fields) :]
    read_as = table.table.receipt.options
    rows = []
    for number, values in sorted(found.items()):
        if number not in places or places[number] not in texts:
            raise CorruptInput(
                f"the source has no row {number} of the result any more",
                hint="kmflow verify output tells what differs",
            )
        part, row = places[number]
        own = texts[part, row]
        cells = tuple(
            ResultCell(name, fact.source_name, values.get(name), own.get(fact.name))
            for name, fact in zip(names, table.table.facts, strict=False)
        )
        rows.append(ResultRow(number, part, row, cell_address(read_as, row), cells))
    return tuple(rows)


def _places(
    table: OutputTable, numbers: Mapping[int, Mapping[str, Any]]
) -> Iterator[tuple[int, Place]]:
    """Part and row of the rows of these numbers in the result."""
    named = part_column(table.table)
    wanted, before = sorted(numbers), 0
    # By its own columns: whatever else is written, the sheet stands where the reader puts it.
    at = [fact.name for fact in table.table.facts].index(named) if named else -1
    skipped = 0 if table.provenance is None else len(table.provenance.fields)
    for rows, batch in table.batches():
        while wanted and wanted[0] <= before + batch.num_rows:
            index = wanted[0] - before - 1
            part = batch.column(skipped + at)[index].as_py() if named else table.table.part
            yield wanted.pop(0), (part, rows[index].as_py())
        if not wanted:
            return
        before += batch.num_rows


def _texts(table: OutputTable, places: set[Place]) -> Iterator[tuple[Place, dict[str, str | None]]]:
    """The cells of these rows as they stand in the source."""
    source = table.table
    named = part_column(source)
    numbers = pa.array(sorted({row for _, row in places}), pa.int64())
    left = len(places)
    for batch in source.batches({fact.name: STRING for fact in source.facts}):
        chosen = batch.filter(pc.is_in(batch.column(SOURCE_ROW), value_set=numbers))
        for row in chosen.to_pylist():
            place = (row[named] if named else source.part, row[SOURCE_ROW])
            if place in places:
                left -= 1
                yield place, {name: _cut(row[name]) for name in row if name != SOURCE_ROW}
        if not left:
            return


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= _SHOWN:
        return text
    return f"{text[:_SHOWN]}… ({len(text) - _SHOWN} more characters)"
