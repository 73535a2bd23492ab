"""Process-wide settings, read once at the edge (design AD14): argument > environment > `.env`.

Nothing here belongs to one group: group settings live in the control database.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kmflow_orchestration.config.group_config import VerifyMode
from kmflow_orchestration.config.group_input import InputRules
from kmflow_orchestration.config.placeholders import is_placeholder
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.config.switches import Switch
from kmflow_orchestration.errors import ConfigurationError, CredentialError
from kmflow_orchestration.names import group_id

Backend = Literal["local", "delta", "databricks"]


class Settings(BaseSettings):
    """How this process runs. Relative paths are relative to the current directory."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(Path(".kmflow"), validation_alias="KMFLOW_HOME")
    """Folder of all local state."""

    storage_backend: Backend = Field("local", validation_alias="STORAGE_BACKEND")
    """Where evidence and tables go; one choice for the whole process (row B2)."""

    storage_mirror: Backend | Literal[""] = Field("", validation_alias="STORAGE_MIRROR")
    """A second backend that gets a copy of each newly stored file; none by default (row B34)."""

    environment: Literal["dev", "production"] = Field("dev", validation_alias="KMFLOW_ENV")

    database_url: str = Field("", validation_alias="KMFLOW_DATABASE_URL", repr=False)
    """Control database; empty is SQLite in `<home>/control.db`. May hold a password: not shown."""

    database_password: Annotated[SecretRef | None, NoDecode] = Field(
        None, validation_alias="KMFLOW_DATABASE_PASSWORD"
    )
    """Reference to the control database's password, where its address has none."""

    dagster_postgres_url: str = Field(
        "", validation_alias="KMFLOW_DAGSTER_POSTGRES_URL", repr=False
    )
    """PostgreSQL that keeps Dagster's runs and events; empty is SQLite below DAGSTER_HOME."""

    evidence_store_path: Path | None = Field(None, validation_alias="EVIDENCE_STORE_PATH")
    """Root of locally stored evidence; default `<home>/evidence_store`, one folder a group."""

    datalake_path: Path | None = Field(None, validation_alias="DATALAKE_PATH")
    """Root of local Delta tables; default `<home>/lakehouse`, one folder a group."""

    max_upload_size_mb: int = Field(100, ge=1, le=1_000_000, validation_alias="MAX_UPLOAD_SIZE_MB")
    """A larger file is quarantined; beyond 5000 MiB a workspace must take files in parts."""

    upload_workers: int = Field(32, ge=1, le=128, validation_alias="KMFLOW_UPLOAD_WORKERS")
    """Concurrent uploads: 32 reach 91 % of what 50 ms of latency allow, beyond it the GIL rules."""

    upload_mb_per_s: float | None = Field(None, gt=0, validation_alias="KMFLOW_UPLOAD_MB_PER_S")
    """Megabytes a second that one process sends to workspaces, all groups together; no limit."""

    metadata: Literal["outbox", "required"] = Field("outbox", validation_alias="KMFLOW_METADATA")
    """Whether storing a file waits for its metadata row and fails without it (AB-S7); in the
    outbox rows wait in the ledger until the warehouse takes them."""

    reconcile_verify: VerifyMode = Field("hash", validation_alias="KMFLOW_RECONCILE_VERIFY")
    """How stored files are compared with their rows: `hash` reads them all, `size` lists them."""

    output_deadline_s: int = Field(120, ge=1, validation_alias="KMFLOW_OUTPUT_DEADLINE_S")
    """Seconds after which no further attempt to upload a task's output begins."""

    conversion_workers: int = Field(2, ge=1, le=64, validation_alias="KMFLOW_CONVERSION_WORKERS")
    """Processes that convert files side by side in one step."""

    quiet_period_s: float = Field(5.0, ge=0, validation_alias="KMFLOW_QUIET_PERIOD_S")
    """A file must not have changed for this many seconds before it is taken."""

    callback_base_url: str = Field("", validation_alias="KMFLOW_CALLBACK_URL")
    """Where a job can reach our service; empty means completions are only polled for."""

    callback_key: Annotated[SecretRef | None, NoDecode] = Field(
        None, validation_alias="KMFLOW_CALLBACK_KEY"
    )
    """Reference to the key that signs callback tokens (row E27)."""

    callback_signature_required: Switch = Field(
        False, validation_alias="KMFLOW_CALLBACK_SIGNATURE_REQUIRED"
    )
    """Refuse completions whose body is not signed. Our jobs sign; other senders may not."""

    profile_cron: str = Field("0 3 * * *", validation_alias="KMFLOW_PROFILE_CRON")
    """When an engagement's own table group is profiled, in UTC, unless it says otherwise."""

    profile_first_poll_s: int = Field(300, ge=1, validation_alias="KMFLOW_PROFILE_FIRST_POLL_S")
    """Seconds a profile run's callback has before its job is asked; at most 60 without one."""

    profile_retry_pause_s: int = Field(60, ge=0, validation_alias="KMFLOW_PROFILE_RETRY_PAUSE_S")
    """Seconds between a profile job's failed task and its one retry."""

    profile_longest_poll_s: int = Field(600, ge=1, validation_alias="KMFLOW_PROFILE_LONGEST_POLL_S")
    """Looks at an outstanding run grow rarer up to this many seconds."""

    use_databricks: Switch = Field(False, validation_alias="USE_DATABRICKS")
    """Whether Databricks SQL stands behind engines and sessions; off, no Databricks variable is
    needed or read (row C1)."""

    databricks_strict: Switch | None = Field(None, validation_alias="DATABRICKS_STRICT")
    """Whether an incomplete connection stops the start; by default where Databricks is used."""

    default_group: str = Field("", validation_alias="KMFLOW_DEFAULT_GROUP")
    """The group whose configuration is the environment's, unless it has one of its own; read only
    where Databricks is used."""

    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias="KMFLOW_ALLOWED_HOSTS"
    )
    """Hosts outside Databricks' domains that a workspace may have: private links, own domains;
    `*.corp.test` stands for all below."""

    ca_bundle: Path | None = Field(None, validation_alias="KMFLOW_CA_BUNDLE")
    """File of certificates to trust instead of the system's, by every client there is."""

    tls_verify: Switch = Field(True, validation_alias="KMFLOW_TLS_VERIFY")
    """Whether certificates are checked; production refuses to go without."""

    databricks_fallback: Literal["never", "on_unreachable"] = Field(
        "never", validation_alias="DATABRICKS_FALLBACK"
    )
    """Whether a group's own models may go to SQLite while its workspace is away (row C13)."""

    sqlite_db_path: Path | None = Field(None, validation_alias="SQLITE_DB_PATH")
    """SQLite for groups' own models, default `<home>/models.db`; each group has a file beside it
    with its id in the name."""

    service_host: str = Field("127.0.0.1", validation_alias="KMFLOW_SERVICE_HOST")
    service_port: int = Field(8350, ge=0, le=65535, validation_alias="KMFLOW_SERVICE_PORT")

    @field_validator("callback_key", "database_password", mode="before")
    @classmethod
    def _reference(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                return SecretRef.parse(value)
            except CredentialError as error:
                raise ValueError(str(error)) from error
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _no_template(cls, value: Any) -> Any:
        texts = value if isinstance(value, tuple) else (value,)
        if any(isinstance(text, str) and is_placeholder(text) for text in texts):
            raise ValueError("still holds the template value")
        return value

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(name.strip().lower() for name in value.split(",") if name.strip())
        return value

    @field_validator("storage_mirror")
    @classmethod
    def _elsewhere(cls, value: str, info: ValidationInfo) -> str:
        if value and value == info.data.get("storage_backend"):
            raise ValueError("must be another backend than STORAGE_BACKEND")
        return value

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def strict(self) -> bool:
        """Whether an incomplete connection of its own stops this process."""
        return self.use_databricks if self.databricks_strict is None else self.databricks_strict

    @property
    def input_rules(self) -> InputRules:
        """What groups' settings are checked against."""
        return InputRules(allowed_hosts=self.allowed_hosts, production=self.production)

    @field_validator("databricks_fallback")
    @classmethod
    def _never_in_production(cls, value: str, info: ValidationInfo) -> str:
        if value != "never" and info.data.get("environment") == "production":
            raise ValueError("must be never in production")
        return value

    def __reduce__(self) -> NoReturn:
        raise TypeError("settings are not pickled: load them in the other process")

    @property
    def models_file(self) -> Path:
        """Where SQLite files of groups' own models lie; see `sqlite_db_path`."""
        return (self.sqlite_db_path or self.home / "models.db").resolve()

    @property
    def control_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home.resolve() / 'control.db'}"

    @property
    def tables_are_local(self) -> bool:
        """Whether tables lie on this machine: with every backend but `databricks`."""
        return self.storage_backend != "databricks"

    def evidence_root(self, group: str) -> Path:
        """Local evidence folder of one group. Raises MissingGroup, ConfigurationError."""
        return (self.evidence_store_path or self.home / "evidence_store").resolve() / group_id(
            group
        )

    def lakehouse_root(self, group: str) -> Path:
        """Local Delta folder of one group. Raises as `evidence_root`."""
        root = self.datalake_path or self.home / "lakehouse"
        return root.resolve() / group_id(group)

    def outputs_root(self, group: str) -> Path:
        """Local outputs of one group's tasks."""
        return self.home.resolve() / "outputs" / group

    def upload_spool_root(self, group: str) -> Path:
        """Where bytes wait that could not be uploaded, one folder a group."""
        return self.home.resolve() / "upload_spool" / group

    def uploads_root(self, group: str) -> Path:
        """Notes on one group's large uploads under way."""
        return self.home.resolve() / "uploads_under_way" / group

    def migrations_root(self, group: str) -> Path:
        """Manifests of one group's migrations."""
        return self.home.resolve() / "migrations" / group

    def reports_root(self, group: str) -> Path:
        """What assets write about one group for people to read."""
        return self.home.resolve() / "reports" / group_id(group)

    def landing_root(self, group: str) -> Path:
        """Landing folder of a group whose configuration names none. Raises as `evidence_root`."""
        return self.home.resolve() / "landing" / group_id(group)


def load_settings(**overrides: Any) -> Settings:
    """Settings of this process; keyword arguments win over environment and `.env`.

    Raises:
        ConfigurationError: names every bad setting with its rule, never its value.
    """
    # By their environment names: reading fields by their own would take HOME for `home`.
    named = {str(Settings.model_fields[key].validation_alias): overrides[key] for key in overrides}
    try:
        return Settings(**named)
    except ValidationError as error:
        problems = [
            (".".join(str(part) for part in item["loc"]), item["msg"]) for item in error.errors()
        ]
        raise ConfigurationError(
            "; ".join(f"{name}: {message}" for name, message in problems),
            fields=tuple(name for name, _ in problems),
        ) from error
