"""Bodies of the service: what may come in, in what words (row E28)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from kmflow_orchestration.clock import iso
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.metadata.profile_records import Anomaly, Completion, Score
from kmflow_orchestration.runs.run_state import RunStatus

_STATUS_WORDS = {
    **dict.fromkeys(
        ("completed", "complete", "success", "succeeded", "finished"), RunStatus.COMPLETED
    ),
    **dict.fromkeys(("failed", "error"), RunStatus.FAILED),
    **dict.fromkeys(("cancelled", "canceled"), RunStatus.CANCELLED),
    **dict.fromkeys(("timed_out", "timedout", "timeout"), RunStatus.TIMED_OUT),
    **dict.fromkeys(("queued", "pending"), RunStatus.QUEUED),
    "running": RunStatus.RUNNING,
    "completed_with_warnings": RunStatus.COMPLETED_WITH_WARNINGS,
}
_SEVERITY_WORDS = {"info": "low", "warn": "medium", "warning": "medium", "error": "high"}
_SEVERITIES = frozenset({"low", "medium", "high", "critical"})
# Words of other systems for rules of ours.
_RULE_WORDS = {"null_ratio": "2001", "high_null_ratio": "2001"}
_LARGEST = 2**63 - 1


def _status(value: Any) -> RunStatus:
    word = _STATUS_WORDS.get(value.strip().lower()) if isinstance(value, str) else None
    if word is None:
        raise ValueError(f"must be one of {', '.join(sorted(_STATUS_WORDS))}")
    return word


def _severity(value: str) -> str:
    word = value.strip().lower()
    word = _SEVERITY_WORDS.get(word, word)
    if word and word not in _SEVERITIES:
        raise ValueError("must be low, medium, high or critical")
    return word


def _in_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Count = Annotated[int, Field(ge=0, le=_LARGEST)]
Share = Annotated[float, Field(ge=0, le=1)]
Status = Annotated[RunStatus, BeforeValidator(_status)]
Severity = Annotated[str, AfterValidator(_severity)]
Moment = Annotated[datetime, AfterValidator(_in_utc)]
Words = Annotated[str, Field(min_length=1, max_length=255)]
# Together they are a key in the control database; Unity Catalog has no longer names either.
Name = Annotated[str, Field(max_length=255)]
Id = Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=64)]


class _Body(BaseModel):
    # A newer job may tell more than this service knows.
    model_config = ConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True)


class ReportedAnomaly(_Body):
    """An issue as a job reports it; `table_name` may be `schema.table` without `schema_name`."""

    table_name: Words
    anomaly_type: Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=240)]
    schema_name: str | None = None
    column_name: str | None = None
    anomaly_type_id: Id | None = None
    severity: Severity | None = None
    likelihood: str | None = None
    priority: str | None = None
    description: str | None = None
    detail: str | None = None
    dimension: str | None = None
    impact_dimension: str | None = None
    prevalence: Share | None = None
    risk_factor: Share | None = None
    detected_at: Moment | None = None

    def to_anomaly(self) -> Anomaly:
        schema_name, table_name = self.schema_name or "", self.table_name
        if not schema_name:
            schema_name, table_name = _split_table(table_name)
        return Anomaly(
            schema_name=schema_name,
            table_name=table_name,
            column_name=self.column_name or "",
            anomaly_type_id=self.anomaly_type_id or _rule_id(self.anomaly_type),
            anomaly_type=self.anomaly_type,
            severity=self.severity or "",
            likelihood=self.likelihood or "",
            priority=self.priority or "",
            description=self.description or "",
            detail=self.detail or "",
            dimension=self.dimension or "",
            impact_dimension=self.impact_dimension or "",
            prevalence=self.prevalence,
            risk_factor=self.risk_factor,
            detected_at=self.detected_at,
        )


class ReportedScore(_Body):
    """A score as a job reports it."""

    scope: Annotated[str, Field(pattern="^(table_group|table|column)$")]
    schema_name: Name | None = None
    table_name: Name | None = None
    column_name: Name | None = None
    dimension: Name | None = None
    score: Share | None = None
    record_count: Count | None = None
    affected: Annotated[float, Field(ge=0)] | None = None

    def to_score(self) -> Score:
        return Score(
            scope=self.scope,
            schema_name=self.schema_name or "",
            table_name=self.table_name or "",
            column_name=self.column_name or "",
            dimension=self.dimension or "",
            score=self.score,
            record_count=self.record_count,
            affected=self.affected,
        )


class ProfileRunCompleteRequest(_Body):
    """How a run ended and what it found."""

    status: Status
    row_count: Count | None = None
    table_count: Count | None = None
    column_count: Count | None = None
    anomaly_count: Count | None = None
    payload_path: str | None = None
    databricks_run_id: Id | None = None
    error_message: str | None = None
    failure_class: Annotated[str, Field(max_length=32)] | None = None
    dq_score_profiling: Share | None = None
    anomalies: tuple[ReportedAnomaly, ...] = ()
    scores: tuple[ReportedScore, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_completion(self, *, attempt: int = 1) -> Completion:
        """The completion; a count that contradicts its list is a warning, and the list wins."""
        warnings, status = list(self.warnings), self.status
        if self.anomaly_count is not None and self.anomaly_count != len(self.anomalies):
            warnings.append(
                f"anomaly_count_mismatch: {self.anomaly_count} said, {len(self.anomalies)} listed"
            )
            if status is RunStatus.COMPLETED:
                status = RunStatus.COMPLETED_WITH_WARNINGS
        return Completion(
            status=status,
            attempt=attempt,
            row_count=self.row_count,
            table_count=self.table_count,
            column_count=self.column_count,
            payload_path=self.payload_path,
            databricks_run_id=self.databricks_run_id,
            error_message=self.error_message,
            failure_class=self.failure_class,
            dq_score_profiling=self.dq_score_profiling,
            anomalies=tuple(one.to_anomaly() for one in self.anomalies),
            scores=tuple(one.to_score() for one in self.scores),
            warnings=tuple(warnings),
        )


def _split_table(text: str) -> tuple[str, str]:
    """Schema and table at the last dot outside back-ticks."""
    outside = True
    for position in range(len(text) - 1, -1, -1):
        if text[position] == "`":
            outside = not outside
        elif text[position] == "." and outside:
            return _unquoted(text[:position]), _unquoted(text[position + 1 :])
    return "", _unquoted(text)


def _unquoted(text: str) -> str:
    whole = len(text) >= 2 and text[0] == text[-1] == "`"
    return text[1:-1].replace("``", "`") if whole else text


def _rule_id(word: str) -> str:
    known = _RULE_WORDS.get(word.lower())
    if known:
        return known
    return word if word.isdigit() else f"custom:{word}"


class Health(_Body):
    """The open health answer (row B27); nothing about hosts, paths or groups."""

    status: str = "ok"
    storage: str
    timestamp: str


class StorageDetail(_Body):
    """A group's storage, as its callers may know it: no host, path or token."""

    backend: str
    configured_for: list[str]
    reachable: bool
    latency_ms: int | None
    metadata_pending: int | None
    mirror_owed: int | None
    last_write_at: str | None


class HealthDetail(_Body):
    """The health answer for callers of a group; each service is `up` or `down`."""

    status: str
    services: dict[str, str]
    version: str
    timestamp: str
    storage: StorageDetail


class Me(_Body):
    """What the caller's token is good for; `expires_at` is None for one that never expires."""

    group_id: str
    role: str
    token_name: str
    expires_at: str | None


class Evidence(_Body):
    """An evidence item. `fragment_count` is None until its text was written to silver."""

    # A file's name is what it is.
    model_config = ConfigDict(str_strip_whitespace=False)

    id: str
    engagement_id: str
    file_name: str
    category: str
    format: str
    media_type: str
    size_bytes: int
    sha256: str
    state: str
    backend: str
    received_on: str
    stored_at: str
    classification: str
    quality_score: float | None
    fragment_count: int | None
    duplicate_of_id: str | None
    supersedes_id: str | None
    reason: str
    deleted_at: str | None

    @classmethod
    def of(cls, item: Item) -> Self:
        """What callers of the item's own group may know of it: no path, and no name of a person."""
        return cls(
            id=item.item_id,
            engagement_id=item.engagement_id,
            file_name=item.file_name,
            category=item.category,
            format=item.format,
            media_type=item.media_type,
            size_bytes=item.size_bytes,
            sha256=item.content_hash,
            state=str(item.state),
            backend=item.backend,
            received_on=item.received_on.isoformat(),
            stored_at=iso(item.stored_at),
            classification=item.side.classification or "internal",
            quality_score=None if item.scores is None else item.scores.composite,
            # Only live items have rows in silver.
            fragment_count=item.fragment_count if item.is_live else 0,
            duplicate_of_id=item.duplicate_of_id,
            supersedes_id=item.supersedes_id,
            reason=item.reason,
            deleted_at=None if item.deleted_at is None else iso(item.deleted_at),
        )


class EvidenceList(_Body):
    """Some items, and how many there are in all."""

    items: list[Evidence]
    total: int
