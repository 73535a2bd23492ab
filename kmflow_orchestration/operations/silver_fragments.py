"""Text of documents as fragments in silver, and the entities they name (row B14)."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.converters import media_types
from kmflow_orchestration.converters.chunking import Chunk, chunks
from kmflow_orchestration.converters.detection import detect
from kmflow_orchestration.converters.entities import FoundEntity, find_entities
from kmflow_orchestration.converters.interface import (
    BundlesFiles,
    Converter,
    DescribesDocuments,
    Source,
)
from kmflow_orchestration.converters.private_folder import private_folder
from kmflow_orchestration.converters.registry import ConverterRegistry, default_converters
from kmflow_orchestration.converters.text_encoding import storable
from kmflow_orchestration.converters.unlocked_source import unlocked_source
from kmflow_orchestration.errors import BackendUnreachable, CorruptInput, CredentialError
from kmflow_orchestration.identity import bronze_id, fragment_id
from kmflow_orchestration.intake.corrections import CorrectionStore
from kmflow_orchestration.intake.ledger import Batch, Item, Ledger, Step
from kmflow_orchestration.intake.stage_log import StageTally
from kmflow_orchestration.metadata.intake_records import State
from kmflow_orchestration.names import GroupId, TableName
from kmflow_orchestration.operations.batch_members import write_live
from kmflow_orchestration.operations.correction_plans import CorrectedReading, passwords_of
from kmflow_orchestration.operations.silver_entities import ENTITY_SCHEMA, entity_rows
from kmflow_orchestration.storage.evidence_stores import (
    EvidenceStores,
    StoredFiles,
    raise_first,
)
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.medallion import (
    BATCH_COLUMN,
    EVIDENCE_COLUMN,
    SILVER_EVIDENCE_FRAGMENTS,
    SILVER_EXTRACTED_ENTITIES,
)

# What a document says of itself stands with each of its fragments.
_MAX_PROPERTY = 300
_SCHEMA = arrow_schema(SILVER_EVIDENCE_FRAGMENTS.columns)


@dataclass(frozen=True, slots=True)
class PublishedFragments:
    """What silver got of one day's text: fragments, documents with any, characters, entities.

    `without_text` names documents that have no fragment: blank ones, and those that were refused.
    A bundle is one only if a file in it is.
    """

    group: GroupId
    day: date
    batches: tuple[str, ...] = ()
    fragments: int = 0
    documents: int = 0
    characters: int = 0
    entities: int = 0
    without_text: tuple[str, ...] = ()


def publish_fragments(
    group: GroupId,
    day: date,
    *,
    ledger: Ledger,
    stores: EvidenceStores,
    lakehouse: Lakehouse,
    config: GroupConfig,
    corrections: CorrectionStore,
) -> PublishedFragments:
    """Write the text of a day's batches, and what it names; a repeated call writes the same rows.

    A document without text has no rows. A locked one is read if somebody said where its password
    is kept. Text that turns out to be a table is left to datasets.
    Documents whose backend is away are left out, and the call then fails for them.

    Raises:
        BackendUnreachable: all else was written, and their batches are left unfinished.
        StorageUnavailable: stored bytes could not be read.
        RemoteFault: a statement failed after our own retries.
    """
    tables = _Tables(
        config.namespace.silver(SILVER_EVIDENCE_FRAGMENTS.name),
        config.namespace.silver(SILVER_EXTRACTED_ENTITIES.name),
    )
    batches = ledger.batches(group, day, Step.FRAGMENTS)
    stored = _Stored(StoredFiles(stores), passwords_of(corrections.all(group)))
    tallies: list[_Tally] = []
    away: list[BackendUnreachable] = []
    for batch in batches:
        with ledger.stages.measured(group, batch.batch_id, day=day, stage=Step.FRAGMENTS) as stage:
            write = partial(
                _write, batch=batch, tables=tables, stored=stored, lakehouse=lakehouse, stage=stage
            )
            tally = write_live(group, batch.batch_id, ledger, write)
            tally.without_text += _refused(ledger.items(group, batch.batch_id))
            tallies.append(tally)
            away += tally.away
            stage.failed(tally.away)
            if not tally.away:
                replaced = list(batch.replaced_item_ids)
                ledger.count_fragments(group, batch.batch_id, tally.of_items, replaced)
                ledger.finish_step(group, batch.batch_id, Step.FRAGMENTS)
            stage.output_count = tally.fragments
    raise_first(away)
    return PublishedFragments(
        group,
        day,
        tuple(batch.batch_id for batch in batches),
        sum(tally.fragments for tally in tallies),
        sum(tally.documents for tally in tallies),
        sum(tally.characters for tally in tallies),
        sum(tally.entity_count for tally in tallies),
        tuple(name for tally in tallies for name in tally.without_text),
    )


@dataclass(frozen=True, slots=True)
class _Tables:
    """Both are written in one step: where text goes, what it named goes with it."""

    fragments: TableName
    entities: TableName


@dataclass(frozen=True, slots=True)
class _Stored:
    """Stored bytes, and how those of locked documents are read, by item."""

    files: StoredFiles
    passwords: Mapping[str, CorrectedReading]


@dataclass(slots=True)
class _Tally:
    """Counts while rows stream past; mutable for that. `away` says what was left out.

    `of_items` are the fragments of each document that has any, `entities` the rows to be written.
    """

    fragments: int = 0
    documents: int = 0
    characters: int = 0
    away: tuple[BackendUnreachable, ...] = ()
    of_items: dict[str, int] = field(default_factory=dict)
    entities: list[pa.RecordBatch] = field(default_factory=list)
    without_text: list[str] = field(default_factory=list)

    @property
    def entity_count(self) -> int:
        return sum(batch.num_rows for batch in self.entities)


def _write(
    items: Sequence[Item],
    *,
    batch: Batch,
    tables: _Tables,
    stored: _Stored,
    lakehouse: Lakehouse,
    stage: StageTally,
) -> _Tally:
    stage.came_in(items)
    registry = default_converters()
    documents = [item for item in items if _may_hold_text(item, registry)]
    away = {item.item_id: error for item in documents if (error := _problem(item, stored.files))}
    tally = _Tally(away=tuple(away.values()))
    if away and _have_rows(away, tables.fragments, lakehouse):
        return tally  # what is written now would be without them
    read = [item for item in documents if item.item_id not in away]
    matching = {BATCH_COLUMN: [batch.batch_id], EVIDENCE_COLUMN: list(batch.replaced_item_ids)}
    lakehouse.replace(
        tables.fragments, _rows(read, stored, tally), schema=_SCHEMA, matching=matching
    )
    lakehouse.replace(
        tables.entities, iter(tally.entities), schema=ENTITY_SCHEMA, matching=matching
    )
    return tally


def _refused(items: Iterable[Item]) -> list[str]:
    """Documents that conversion has refused: they have no text either."""
    registry = default_converters()
    refused = (item for item in items if item.state is State.QUARANTINED)
    return [item.file_name for item in refused if _is_document(item, registry)]


def _problem(item: Item, stored: StoredFiles) -> BackendUnreachable | None:
    """Why a document in another backend than the active one cannot be read, None if it can."""
    try:
        stored.check(item.backend, item.stored_path)
    except BackendUnreachable as error:
        name = f"{item.file_name} of {item.engagement_id}"
        return BackendUnreachable(error.backend, f"{name}: {error.reason}", hint=error.hint)
    return None


def _have_rows(item_ids: Container[str], table: TableName, lakehouse: Lakehouse) -> bool:
    query = f"SELECT DISTINCT {EVIDENCE_COLUMN} FROM {table.sql}"
    return any(one in item_ids for one in lakehouse.query(query).column(0).to_pylist())


def _rows(items: Iterable[Item], stored: _Stored, tally: _Tally) -> Iterator[pa.RecordBatch]:
    registry = default_converters()
    for item in items:
        parsed = _read(item, stored, registry)
        if parsed is None:
            continue
        if not parsed.chunks:
            tally.without_text.append(item.file_name)
            continue
        rows = [_row(item, parsed, *numbered) for numbered in enumerate(parsed.chunks)]
        tally.fragments += len(rows)
        tally.documents += 1
        tally.characters += sum(len(str(row["content"])) for row in rows)
        tally.of_items[item.item_id] = len(rows)
        if named := entity_rows(item, [str(row["silver_id"]) for row in rows], parsed.entities):
            tally.entities.append(named)
        yield pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)


def _may_hold_text(item: Item, registry: ConverterRegistry) -> bool:
    """What must be read to know whether it holds any."""
    if _text_readers(item, registry):
        return True
    # `.gz` alone may be a bundle.
    return _by_name(item, registry) is None and item.media_type in media_types.PACKED


def _is_document(item: Item, registry: ConverterRegistry) -> bool:
    """Of what cannot be read: whether it should be one. A bundle may hold only tables."""
    readers = _text_readers(item, registry)
    return any(not isinstance(one, BundlesFiles) for one in readers)


def _text_readers(item: Item, registry: ConverterRegistry) -> list[Converter]:
    """By its name or by its content's type: a process model may be named `.xml`."""
    by_name = _by_name(item, registry)
    return [
        one
        for one in registry
        if one.output.has_text and (one is by_name or item.media_type in one.media_types)
    ]


def _by_name(item: Item, registry: ConverterRegistry) -> Converter | None:
    return registry.for_source(Source(Path(item.file_name), item.file_name))


@dataclass(frozen=True, slots=True)
class _Parsed:
    """The text of one document, by whom it was read, and what the document says of itself.

    Without chunks it is a document without text.
    """

    parser: str = ""
    version: str = ""
    chunks: Sequence[Chunk] = ()
    entities: Sequence[FoundEntity] = ()
    properties: Mapping[str, str] = field(default_factory=dict)


def _read(item: Item, stored: _Stored, registry: ConverterRegistry) -> _Parsed | None:
    """None for what is no document, such as a table or a bundle of them."""
    with private_folder("text") as folder:
        local = folder / "source"
        with (
            local.open("wb") as copy,
            stored.files.open_read(item.backend, item.stored_path) as stream,
        ):
            shutil.copyfileobj(stream, copy)
        source = Source(local, item.file_name, item.media_type)
        reading = stored.passwords.get(item.item_id)
        try:
            password = None if reading is None else reading.password()
            with unlocked_source(source, password) as content:
                return _text_of(item, content, registry)
        except (CorruptInput, CredentialError):
            # Conversion quarantines it, with its reason, when it gets there.
            return _Parsed() if _is_document(item, registry) else None


def _text_of(item: Item, source: Source, registry: ConverterRegistry) -> _Parsed | None:
    """See `_read`; raises CorruptInput."""
    converter = detect(source, registry).converter
    if converter is None:
        return _Parsed() if _is_document(item, registry) else None
    parsed = _parsed(source, converter)
    if parsed.chunks or not isinstance(converter, BundlesFiles):
        return parsed if converter.output.has_text else None
    return parsed if converter.holds_documents(source) else None


def _parsed(source: Source, converter: Converter) -> _Parsed:
    if not converter.output.has_text:
        return _Parsed()
    blocks = list(converter.open_text(source))
    found = chunks(blocks)
    named = find_entities(blocks, found, converter.name)
    properties = _properties(converter, source)
    return _Parsed(converter.name, converter.version, found, named, properties)


def _properties(converter: Converter, source: Source) -> Mapping[str, str]:
    if not isinstance(converter, DescribesDocuments):
        return {}
    found = converter.properties(source)
    return {name: storable(value[:_MAX_PROPERTY]) for name, value in found.items() if value}


def _row(item: Item, parsed: _Parsed, ordinal: int, chunk: Chunk) -> dict[str, object]:
    # One row per fragment: the row's id is the fragment's.
    row_id = fragment_id(item.item_id, ordinal, parsed.version)
    about: dict[str, object] = {
        "heading": chunk.heading,
        "location": chunk.location,
        "ordinal": ordinal,
    }
    if chunk.flags:
        about["flags"] = list(chunk.flags)
    if parsed.properties:
        about["document"] = dict(parsed.properties)
    return {
        "group_id": item.group_id,
        "engagement_id": item.engagement_id,
        "silver_id": row_id,
        "bronze_id": bronze_id(item.item_id),
        "fragment_id": row_id,
        "evidence_item_id": item.item_id,
        "fragment_type": chunk.kind.value,
        "content": chunk.text,
        "content_hash": hashlib.sha256(chunk.text.encode()).hexdigest(),
        "char_count": len(chunk.text),
        "parser_name": parsed.parser,
        "parser_version": parsed.version,
        "metadata_json": json.dumps(about, ensure_ascii=False, sort_keys=True),
        "processed_at": item.stored_at,
        BATCH_COLUMN: item.batch_id,
    }
