"""Models of the lakehouse's own tables: all of them, read by their group, changed by nobody."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import aliased

from kmflow_orchestration.errors import ReadOnlyTable
from kmflow_orchestration.lakehouse_sql import models
from kmflow_orchestration.lakehouse_sql.models import (
    BronzeEvidenceRaw,
    EvidenceMetadata,
    LakehouseTable,
    layer_schema,
)
from kmflow_orchestration.lakehouse_sql.sessions import group_session
from kmflow_orchestration.names import GroupId, literal
from kmflow_orchestration.tables.medallion import MEDALLION_TABLES
from kmflow_orchestration.tables.profiling import PROFILING_TABLES

ACME = GroupId("acme")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_every_table_has_a_model_with_its_columns():
    tables = LakehouseTable.metadata.tables
    definitions = [*MEDALLION_TABLES, *PROFILING_TABLES]
    assert len(tables) == len(definitions)
    for definition in definitions:
        table = tables[f"{layer_schema(definition.layer)}.{definition.name}"]
        assert tuple(table.columns.keys()) == definition.column_names
        class_name = "".join(word.capitalize() for word in definition.name.split("_"))
        assert getattr(models, class_name).__table__ is table


@pytest.fixture
def evidence(world):
    """Two tables as the pipeline makes them, with a row of another group smuggled in."""
    engine = world.open("acme").engine
    namespace = world.config("acme").namespace
    definitions = {one.name: one for one in MEDALLION_TABLES}
    for name in ("evidence_metadata", "bronze_evidence_raw"):
        definition = definitions[name]
        layer = definition.layer
        place = namespace.layer(layer, name) if layer else namespace.base(name)
        with engine.begin() as connection:
            connection.execute(text(definition.create_sql(place)))
            for group in ("acme", "globex"):
                connection.execute(text(f"INSERT INTO {place.sql} {row(definition, group)}"))
    return engine


def row(definition, group: str) -> str:
    values = {
        "STRING": literal("x"),
        "BIGINT": literal(7),
        "TIMESTAMP": literal(NOON),
    }
    listed = [
        literal(group) if column.name == "group_id" else values[column.type]
        for column in definition.columns
    ]
    return f"VALUES ({', '.join(listed)})"


def test_a_group_reads_its_own_rows_only(evidence):
    other = aliased(EvidenceMetadata)
    with group_session(evidence, ACME) as session:
        [found] = session.scalars(select(EvidenceMetadata)).all()
        assert (found.group_id, found.size_bytes) == ("acme", 7)
        assert session.scalar(select(func.count()).select_from(EvidenceMetadata)) == 1
        assert session.scalars(select(other.group_id)).all() == ["acme"]
        joined = select(BronzeEvidenceRaw.ingested_at).join(
            other, other.engagement_id == BronzeEvidenceRaw.engagement_id
        )
        assert session.scalars(joined).all() == [NOON]
        asked = select(EvidenceMetadata).where(EvidenceMetadata.group_id == "globex")
        assert session.scalars(asked).all() == []
        assert session.get(EvidenceMetadata, ("globex", "x")) is None


def test_nobody_changes_them_through_a_session(world, evidence):
    attempts = (
        insert(EvidenceMetadata).values(id="y"),
        update(EvidenceMetadata).values(file_name="y"),
        delete(EvidenceMetadata),
    )
    for statement in attempts:
        with pytest.raises(ReadOnlyTable), group_session(evidence, ACME) as session:
            session.execute(statement)
    with pytest.raises(ReadOnlyTable), group_session(evidence, ACME) as session:
        session.add(EvidenceMetadata(group_id="acme", id="y"))
    with pytest.raises(ReadOnlyTable), group_session(evidence, ACME) as session:
        session.scalars(select(EvidenceMetadata)).one().file_name = "y"
    with pytest.raises(ReadOnlyTable), group_session(evidence, ACME) as session:
        session.delete(session.scalars(select(EvidenceMetadata)).one())
    rows = world.rows("acme", "SELECT DISTINCT file_name FROM evidence_metadata")
    assert rows == [{"file_name": "x"}]


def test_they_are_there_and_empty_on_sqlite(world):
    engine = world.open("acme", use_databricks=False).engine
    with group_session(engine, ACME) as session:
        assert session.scalars(select(EvidenceMetadata)).all() == []
        assert session.scalars(select(BronzeEvidenceRaw)).all() == []
