"""The evidence tables of a group: base, bronze, silver and gold (B-tables of the specification).

Every table starts with `group_id` and `engagement_id` and carries `_batch_id`. All are provisioned;
those of features to come stay empty.
"""

from __future__ import annotations

from kmflow_orchestration.tables.definition import Column, TableDefinition, required, string

BATCH_COLUMN = "_batch_id"
# The column that names an evidence item, by layer: rows of superseded items go by it (design AD3).
EVIDENCE_COLUMN = "evidence_item_id"
DATASET_EVIDENCE_COLUMN = "_evidence_id"


def _table(
    layer: str, name: str, *columns: Column, comment: str, key: tuple[str, ...] = ()
) -> TableDefinition:
    return TableDefinition(
        layer,
        name,
        (required("group_id"), required("engagement_id"), *columns, string(BATCH_COLUMN)),
        key=key,
        cluster_by=("engagement_id",),
        comment=comment,
    )


def _long(name: str) -> Column:
    return Column(name, "BIGINT")


def _double(name: str) -> Column:
    return Column(name, "DOUBLE")


def _time(name: str) -> Column:
    return Column(name, "TIMESTAMP")


EVIDENCE_METADATA = _table(
    "",
    "evidence_metadata",
    required("id"),
    required("file_name"),
    required("volume_path"),
    required("content_hash"),
    Column("size_bytes", "BIGINT", nullable=False),
    required("stored_at", "ISO-8601, UTC"),
    string("metadata_json"),
    key=("id",),
    comment="One row per stored evidence item",
)

BRONZE_EVIDENCE_RAW = _table(
    "bronze",
    "bronze_evidence_raw",
    required("bronze_id"),
    required("evidence_item_id"),
    string("file_name"),
    string("content_hash"),
    string("file_bytes_path"),
    string("mime_type"),
    _long("size_bytes"),
    string("category"),
    string("source_system"),
    string("source_url"),
    string("source_identifier"),
    _time("ingested_at"),
    string("ingested_by"),
    string("metadata_json"),
    comment="Evidence as received",
)

BRONZE_INGESTION_LOG = _table(
    "bronze",
    "bronze_ingestion_log",
    required("log_id"),
    string("bronze_id"),
    required("evidence_item_id"),
    string("pipeline_version"),
    string("status"),
    string("error_message"),
    _long("duration_ms"),
    _time("logged_at"),
    comment="What ingestion did with each item",
)

SILVER_EVIDENCE_FRAGMENTS = _table(
    "silver",
    "silver_evidence_fragments",
    required("silver_id"),
    string("bronze_id"),
    required("fragment_id"),
    required("evidence_item_id"),
    string("fragment_type"),
    string("content"),
    string("content_hash"),
    _long("char_count"),
    string("parser_name"),
    string("parser_version"),
    _double("quality_score"),
    _double("completeness_score"),
    _double("reliability_score"),
    string("metadata_json"),
    _time("processed_at"),
    comment="Text of evidence in chunks",
)

SILVER_EXTRACTED_ENTITIES = _table(
    "silver",
    "silver_extracted_entities",
    required("entity_silver_id"),
    string("fragment_silver_id"),
    string("fragment_id"),
    required("evidence_item_id"),
    string("entity_id"),
    string("entity_type"),
    string("entity_name"),
    _double("confidence"),
    string("graph_node_id"),
    _time("extracted_at"),
    comment="Entities found in fragments",
)

SILVER_QUALITY_EVENTS = _table(
    "silver",
    "silver_quality_events",
    required("quality_event_id"),
    required("evidence_item_id"),
    _double("completeness_score"),
    _double("reliability_score"),
    _double("freshness_score"),
    _double("consistency_score"),
    _double("composite_score"),
    string("weights_json"),
    Column("reference_date", "DATE"),
    _time("computed_at"),
    string("pipeline_version"),
    comment="Quality scores of each item when it was first published",
)

GOLD_EVIDENCE_LINEAGE_CHAINS = _table(
    "gold",
    "gold_evidence_lineage_chains",
    required("chain_id"),
    required("evidence_item_id"),
    string("lineage_id"),
    string("source_system"),
    string("source_url"),
    string("bronze_id"),
    _long("silver_fragment_count"),
    _long("graph_node_count"),
    string("transformation_chain"),
    _long("version"),
    string("version_hash"),
    _time("materialized_at"),
    comment="How each item became what it is",
)

GOLD_CROSS_ENGAGEMENT_PATTERNS = _table(
    "gold",
    "gold_cross_engagement_patterns",
    required("pattern_id"),
    string("category"),
    string("industry"),
    _long("engagement_count"),
    string("anonymized_data"),
    _double("effectiveness_score"),
    _time("last_updated"),
    comment="Patterns seen in at least five engagements",
)

GOLD_GOVERNANCE_SNAPSHOTS = _table(
    "gold",
    "gold_governance_snapshots",
    required("snapshot_id"),
    string("snapshot_type"),
    string("catalog_json"),
    string("lineage_json"),
    string("policy_yaml"),
    _long("row_count"),
    _time("snapshotted_at"),
    string("exported_by"),
    comment="Governance state at each export",
)

GOLD_QUALITY_SCORE_HISTORY = _table(
    "gold",
    "gold_quality_score_history",
    Column("as_of_date", "DATE", nullable=False),
    required("category"),
    _long("item_count"),
    _long("scored_count"),
    *(
        _double(f"{statistic}_{dimension}_score")
        for dimension in ("completeness", "reliability", "freshness", "consistency", "composite")
        for statistic in ("avg", "min")
    ),
    _long("below_sla_count"),
    _time("computed_at"),
    comment="Quality by day, engagement and category",
)

MEDALLION_TABLES = (
    EVIDENCE_METADATA,
    BRONZE_EVIDENCE_RAW,
    BRONZE_INGESTION_LOG,
    SILVER_EVIDENCE_FRAGMENTS,
    SILVER_EXTRACTED_ENTITIES,
    SILVER_QUALITY_EVENTS,
    GOLD_EVIDENCE_LINEAGE_CHAINS,
    GOLD_CROSS_ENGAGEMENT_PATTERNS,
    GOLD_GOVERNANCE_SNAPSHOTS,
    GOLD_QUALITY_SCORE_HISTORY,
)

# Columns that stand around the data columns of every dataset table (design AD9).
PROVENANCE = (
    required("group_id"),
    required("engagement_id"),
    required(DATASET_EVIDENCE_COLUMN, "evidence item the row came from"),
    string("_source_part", comment="sheet of a workbook, else empty"),
    Column("_source_row", "BIGINT", comment="row in the source, from 1, header included"),
    Column("_received_on", "DATE"),
    required(BATCH_COLUMN),
    string("_rescued_data", comment="surplus fields of the source row, as JSON"),
)
