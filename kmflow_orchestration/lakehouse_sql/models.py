"""ORM models of the lakehouse's own tables, made from their definitions; they are read-only.

Each lies in the schema of its layer: `engines` translates the names below into a group's schemas.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeEngine

from kmflow_orchestration.lakehouse_sql.column_types import UtcTimestamp, checked_metadata
from kmflow_orchestration.names import LAYERS, Namespace
from kmflow_orchestration.tables import medallion, profiling
from kmflow_orchestration.tables.definition import TableDefinition

BASE_SCHEMA = "lakehouse"
_TYPES: dict[str, TypeEngine[Any]] = {
    "STRING": String(),
    "BIGINT": BigInteger(),
    "INT": Integer(),
    "DOUBLE": Double(),
    "BOOLEAN": Boolean(),
    "DATE": Date(),
    "TIMESTAMP": UtcTimestamp(),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


class LakehouseModel(DeclarativeBase):
    """Base of models of your own, kept in the group's base schema.

    A column that Databricks SQL cannot keep is refused when the class is defined.
    """

    metadata = checked_metadata()


class LakehouseTable(DeclarativeBase):
    """Base of the models below. Sessions read them for their own group only, and change none."""

    metadata = MetaData()


def layer_schema(layer: str) -> str:
    """Name under which models say the schema of a layer, '' for the base schema."""
    return f"{BASE_SCHEMA}_{layer}" if layer else BASE_SCHEMA


def schemas_of(namespace: Namespace) -> dict[str | None, str | None]:
    """Where a group's layers are, for SQLAlchemy's `schema_translate_map`."""
    schemas: dict[str | None, str | None] = {BASE_SCHEMA: namespace.schema}
    schemas.update({layer_schema(layer): f"{namespace.schema}_{layer}" for layer in LAYERS})
    return schemas


def without_schemas() -> dict[str | None, str | None]:
    """The same for SQLite, which has no schemas: the names of our tables are unique anyway."""
    return dict.fromkeys((BASE_SCHEMA, *map(layer_schema, LAYERS)))


def _model(definition: TableDefinition) -> Any:
    columns = [
        Column(one.name, _type(one.type), nullable=one.nullable, comment=one.comment or None)
        for one in definition.columns
    ]
    table = Table(
        definition.name,
        LakehouseTable.metadata,
        *columns,
        schema=layer_schema(definition.layer),
        comment=definition.comment or None,
    )
    # A key of the mapper's alone. Where none is defined, all that is never NULL tells rows apart.
    names = {"group_id", *definition.key} if definition.key else set()
    key = [one for one in columns if (one.name in names if names else not one.nullable)]
    class_name = "".join(word.capitalize() for word in definition.name.split("_"))
    return type(
        class_name,
        (LakehouseTable,),
        {
            "__table__": table,
            "__mapper_args__": {"primary_key": key},
            "__doc__": f"{definition.comment}.",
            "__module__": __name__,
        },
    )


def _type(spark: str) -> TypeEngine[Any]:
    if found := _DECIMAL.fullmatch(spark):
        return Numeric(int(found[1]), int(found[2]))
    return _TYPES[spark]


EvidenceMetadata: Any = _model(medallion.EVIDENCE_METADATA)
BronzeEvidenceRaw: Any = _model(medallion.BRONZE_EVIDENCE_RAW)
BronzeIngestionLog: Any = _model(medallion.BRONZE_INGESTION_LOG)
SilverEvidenceFragments: Any = _model(medallion.SILVER_EVIDENCE_FRAGMENTS)
SilverExtractedEntities: Any = _model(medallion.SILVER_EXTRACTED_ENTITIES)
SilverQualityEvents: Any = _model(medallion.SILVER_QUALITY_EVENTS)
GoldEvidenceLineageChains: Any = _model(medallion.GOLD_EVIDENCE_LINEAGE_CHAINS)
GoldCrossEngagementPatterns: Any = _model(medallion.GOLD_CROSS_ENGAGEMENT_PATTERNS)
GoldGovernanceSnapshots: Any = _model(medallion.GOLD_GOVERNANCE_SNAPSHOTS)
GoldQualityScoreHistory: Any = _model(medallion.GOLD_QUALITY_SCORE_HISTORY)
DqTableGroups: Any = _model(profiling.DQ_TABLE_GROUPS)
DqTables: Any = _model(profiling.DQ_TABLES)
DqProfileResults: Any = _model(profiling.DQ_PROFILE_RESULTS)
DqProfileColumnValues: Any = _model(profiling.DQ_PROFILE_COLUMN_VALUES)
DqProfileAnomalyResults: Any = _model(profiling.DQ_PROFILE_ANOMALY_RESULTS)
DqDataTableChars: Any = _model(profiling.DQ_DATA_TABLE_CHARS)
DqDataColumnChars: Any = _model(profiling.DQ_DATA_COLUMN_CHARS)
DqProfileOperations: Any = _model(profiling.DQ_PROFILE_OPERATIONS)
