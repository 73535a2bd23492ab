"""What a profiling job is told: `--name=value` arguments, else environment variables (row E17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.names import TableName
from kmflow_orchestration.tables.definition import TableDefinition

POST, SKIP = "post", "skip"
_REQUIRED = ("group_id", "table_group_id", "profile_run_id", "catalog", "data_quality_schema")
PARAMETERS = (
    *_REQUIRED,
    "schema_name",
    "callback_url",
    "callback_token",
    "callback_behavior",
    "databricks_run_id",
    "started_at",
    "attempt",
)


@dataclass(frozen=True, slots=True)
class JobParameters:
    """Checked parameters of one run.

    Data tables lie in `catalog`, in the schema each is listed with (else `schema_name`); results
    go to `catalog`.`data_quality_schema`. `started_at` is the moment dates are compared with, the
    job's own start when None. `attempt` counts the task's executions, from 1.
    """

    group_id: str
    table_group_id: str
    profile_run_id: str
    catalog: str
    data_quality_schema: str
    schema_name: str = ""
    callback_url: str = ""
    callback_token: str = field(default="", repr=False)
    callback_behavior: str = POST
    databricks_run_id: str = ""
    started_at: datetime | None = None
    attempt: int = 1

    def result_table(self, definition: TableDefinition) -> TableName:
        """Full name of a table of the data quality schema."""
        return TableName(self.catalog, self.data_quality_schema, definition.name)


def read_arguments(argv: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Values by name; empty ones, and references a platform left unresolved, are absent.

    Unknown names are ignored: a newer submission may tell an older wheel more than it knows.
    """
    given = {
        name: value
        for argument in argv
        if argument.startswith("--") and "=" in argument
        for name, value in [argument[2:].split("=", 1)]
    }
    found = {name: given.get(name) or environment.get(name.upper(), "") for name in PARAMETERS}
    return {
        name: value.strip()
        for name, value in found.items()
        if value.strip() and not value.strip().startswith("{{")
    }


def parse_parameters(values: Mapping[str, str]) -> JobParameters:
    """Check what `read_arguments` found.

    Raises:
        ConfigurationError: naming every parameter that is missing or wrong.
    """
    known = dict(values)
    if "schema_name" in known:
        known.setdefault("data_quality_schema", f"{known['schema_name']}_dq")
    wrong = [name for name in _REQUIRED if name not in known]
    started_at = _moment(known.pop("started_at", ""), wrong)
    attempt = known.pop("attempt", "1")
    if not attempt.isdigit():
        wrong.append("attempt")
    if known.get("callback_behavior", POST) not in (POST, SKIP):
        wrong.append("callback_behavior")
    if wrong:
        raise ConfigurationError(
            f"missing or wrong job parameters: {', '.join(wrong)}", fields=tuple(wrong)
        )
    return JobParameters(**known, started_at=started_at, attempt=int(attempt))


def _moment(text: str, wrong: list[str]) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        wrong.append("started_at")
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
