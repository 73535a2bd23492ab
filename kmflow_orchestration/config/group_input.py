"""Text becomes a group's settings here: every rule of row A2, every bad field reported at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from kmflow_orchestration.config.auth_types import AUTH_TYPES
from kmflow_orchestration.config.group_config import (
    FilenameMode,
    GroupConfig,
    UploadErrorMode,
    VerifyMode,
)
from kmflow_orchestration.config.http_paths import http_path
from kmflow_orchestration.config.nearest import nearest
from kmflow_orchestration.config.placeholders import (
    is_placeholder,
    is_placeholder_host,
    is_placeholder_secret,
)
from kmflow_orchestration.config.secret_refs import SHAPES, SecretRef
from kmflow_orchestration.config.workspace_urls import host_of, workspace_url
from kmflow_orchestration.errors import CredentialError, InvalidSettings, UnsafePath
from kmflow_orchestration.names import GroupId, VolumePath, group_id, is_identifier, is_volume_text


@dataclass(frozen=True, slots=True)
class InputRules:
    """What the process allows, beside the rules that hold for everybody."""

    allowed_hosts: Collection[str] = ()
    """Hosts outside Databricks' domains: private links, custom domains."""
    production: bool = False
    """In production no group may talk to a workspace without TLS (design AD14)."""


_LONGEST_REFERENCE = 1024


def _no_placeholder(text: str) -> str:
    if is_placeholder(text):
        raise ValueError("still holds a template value")
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise ValueError("must not hold control characters")
    return text


def _identifier(text: str) -> str:
    if text and not is_identifier(text):
        raise ValueError("must be 1 to 255 of A-Z, a-z, 0-9, '_' and '-'")
    return text


def _volume_path(text: str | None) -> str | None:
    try:
        return VolumePath.parse(text).text if text else None
    except UnsafePath as error:
        raise ValueError(
            "must be catalog.schema.volume or /Volumes/catalog/schema/volume[/folder…]"
        ) from error


def _secret_reference(value: Any) -> Any:
    if value is None or isinstance(value, SecretRef):
        return value
    try:
        reference = SecretRef.parse(str(value))
    except CredentialError:
        # Without its cause: a traceback must not show what may be a pasted secret.
        raise ValueError(f"must be a reference, {SHAPES}, never the value") from None
    if reference.scheme != "fernet":
        _no_placeholder(reference.target)
    if len(str(reference)) > _LONGEST_REFERENCE:
        raise ValueError(f"must have at most {_LONGEST_REFERENCE} characters")
    return reference


def _folder(text: str) -> str:
    if ".." in PurePath(text).parts:
        raise ValueError("must not hold `..`")
    return text


def _landing(text: str, known: Mapping[str, Any]) -> str:
    """A Volume directory as a landing place, next to the group's other settings."""
    try:
        place = VolumePath.parse(text)
    except UnsafePath as error:
        raise ValueError("must be a folder, or /Volumes/catalog/schema/volume/directory") from error
    if known.get("workspace_url", "unreadable") == "":
        raise ValueError("lies in a Volume, which needs a workspace_url")
    if not place.parts or place.parts[0].startswith(".") or place.parts[0] == "evidence_store":
        # There lie the store and what kmflow writes: it would take in its own files.
        raise ValueError("must be a directory of its own in the Volume")
    return place.text


def _http_path(text: str) -> str:
    return http_path(text) if text else text


def _profile_name(text: str) -> str:
    # The SDK keeps `__settings__` for itself; brackets would end a section's name.
    if text == "__settings__" or set("[]") & set(text):
        raise ValueError("must be the name of a section of a profile file")
    return text


def _auth_type(text: str) -> str:
    if text and text not in AUTH_TYPES:
        raise ValueError(f"is no method of the SDK{nearest(text, AUTH_TYPES)}")
    return text


def _no_template_client(text: str) -> str:
    if is_placeholder_secret(text):
        raise ValueError("still holds a template value")
    return text


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


PlainText = Annotated[StrictStr, AfterValidator(_no_placeholder)]
ShortText = Annotated[PlainText, Field(max_length=255)]
Identifier = Annotated[PlainText, AfterValidator(_identifier)]
VolumeText = Annotated[
    Annotated[StrictStr, Field(max_length=4096)] | None, AfterValidator(_volume_path)
]
CatalogName = Annotated[Identifier, Field(min_length=1)]
Catalogs = Annotated[
    tuple[CatalogName, ...], BeforeValidator(_listed), Field(strict=True, max_length=100)
]
PoolSize = Annotated[StrictInt, Field(ge=1, le=1000)]
Seconds = Annotated[StrictInt, Field(ge=1, le=86_400)]
Reference = Annotated[SecretRef | None, BeforeValidator(_secret_reference)]


class GroupInput(BaseModel):
    """A group's settings as somebody wrote them, checked. Build it with `parse_group`.

    Fields are checked in their order; a rule over two fields sits at the later one, so that one
    pass finds everything. A field that failed counts as filled in for the rules after it.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True
    )

    group_id: GroupId
    is_enabled: StrictBool = Field(True, alias="enabled")
    allow_insecure_loopback: StrictBool = False
    workspace_url: Annotated[StrictStr, Field(max_length=255)] = ""
    warehouse_id: ShortText = ""
    catalog: Identifier = ""
    schema_: Identifier = Field("", alias="schema")
    token: Reference = None
    profile: Annotated[ShortText, AfterValidator(_profile_name)] = ""
    config_file: Annotated[PlainText, Field(max_length=4096), AfterValidator(_folder)] = ""
    auth_type: Annotated[ShortText, AfterValidator(_auth_type)] = ""
    client_id: Annotated[ShortText, AfterValidator(_no_template_client)] = ""
    client_secret: Reference = None
    http_path: Annotated[ShortText, AfterValidator(_http_path)] = ""
    sql_pool_size: PoolSize = 5
    sql_max_overflow: Annotated[StrictInt, Field(ge=0, le=1000)] = 10
    sql_pool_recycle_s: Seconds = 1800
    sql_pool_timeout_s: Seconds = 30
    warehouse_start_timeout_s: Seconds = 300
    evidence_volume: Identifier = "raw_evidence"
    landing_path: Annotated[PlainText, Field(max_length=4096), AfterValidator(_folder)] = ""
    volume_enabled: StrictBool = False
    volume_path: VolumeText = None
    volume_file_format: Literal["json", "csv", "txt", "parquet"] = "json"
    volume_create_date_dirs: StrictBool = True
    volume_filename_mode: FilenameMode = "stable"
    volume_verify: VerifyMode = "size"
    max_file_size_mb: Annotated[StrictInt, Field(ge=1, le=5000)] = 100
    on_upload_error: UploadErrorMode = "fail"
    allowed_catalogs: Catalogs = ()
    knowledge_volume_enabled: StrictBool = False
    knowledge_volume_path: VolumeText = None
    knowledge_chunk_size: Annotated[StrictInt, Field(gt=0)] = 1000
    knowledge_chunk_overlap: Annotated[StrictInt, Field(gt=0)] = 200
    mlflow_enabled: StrictBool = False
    mlflow_experiment_name: ShortText | None = None
    evaluation_enabled: StrictBool = False
    evaluation_judge_model: ShortText | None = None
    ai_gateway_enabled: StrictBool = False

    @field_validator("allow_insecure_loopback")
    @classmethod
    def _not_in_production(cls, value: bool, info: ValidationInfo) -> bool:
        if value and _rules(info).production:
            raise ValueError("is refused in production")
        return value

    @field_validator("workspace_url")
    @classmethod
    def _normal_address(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            return value
        if is_placeholder_host(value.partition("://")[2] or value):
            raise ValueError("still holds a template value")
        url = workspace_url(
            value,
            allow_insecure_loopback=bool(info.data.get("allow_insecure_loopback", True)),
            allowed_hosts=_rules(info).allowed_hosts,
        )
        if is_placeholder_host(host_of(url)):
            raise ValueError("still holds a template value")
        return url

    @field_validator("warehouse_id", "catalog", "schema_")
    @classmethod
    def _needed_with_a_workspace(cls, value: str, info: ValidationInfo) -> str:
        remote = info.data.get("workspace_url", "unreadable") != ""
        if not value and remote and info.data.get("is_enabled", True):
            raise ValueError("is needed by an enabled group with a workspace")
        return value

    @field_validator("client_secret")
    @classmethod
    def _goes_with_its_client(cls, value: SecretRef | None, info: ValidationInfo) -> Any:
        client = info.data.get("client_id")
        if value is not None and client == "":
            raise ValueError("needs the client_id it belongs to")
        # Methods without a secret, such as workload identity, are pinned by auth_type.
        if value is None and client and info.data.get("auth_type", "other") in {"", "oauth-m2m"}:
            raise ValueError("is needed beside client_id, unless auth_type names another method")
        return value

    @field_validator("evidence_volume")
    @classmethod
    def _evidence_needs_a_volume(cls, value: str) -> str:
        if not value:
            raise ValueError("must name a Volume")
        return value

    @field_validator("landing_path")
    @classmethod
    def _landing_place(cls, value: str, info: ValidationInfo) -> str:
        if is_volume_text(value):
            return _landing(value, info.data)
        if value.lower().startswith(("/volumes", "dbfs:")):
            raise ValueError("names a Volume by /Volumes/catalog/schema/volume/directory")
        return value

    @field_validator("volume_path", "knowledge_volume_path")
    @classmethod
    def _enabled_needs_path(cls, value: str | None, info: ValidationInfo) -> str | None:
        flag = str(info.field_name).replace("_path", "_enabled")
        if not value and info.data.get(flag):
            raise ValueError(f"is needed when {flag} is true")
        return value

    @field_validator("knowledge_chunk_overlap")
    @classmethod
    def _smaller_than_chunk(cls, value: int, info: ValidationInfo) -> int:
        if value >= info.data.get("knowledge_chunk_size", value + 1):
            raise ValueError("must be smaller than knowledge_chunk_size")
        return value

    def to_config(self, version: int) -> GroupConfig:
        """Settings as version `version` of the group.

        A group without a workspace may leave catalog and schema out: they become `main` and the
        group's id, which name folders under the group's own local root.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        schema = values.pop("schema_")
        if not self.workspace_url and self.is_enabled:
            values["catalog"] = self.catalog or "main"
            schema = schema or self.group_id.replace("-", "_")
        return GroupConfig(version=version, schema=schema, **values)


TEMPLATE = "default"
"""In a file of groups, the entry that others extend; so no group has this name."""

FIELD_NAMES = tuple(
    field.alias or name for name, field in GroupInput.model_fields.items() if name != "group_id"
)
"""Names a group's settings may have in YAML and in requests."""


def _rules(info: ValidationInfo) -> InputRules:
    return info.context if isinstance(info.context, InputRules) else InputRules()


def parse_group(
    group: str, values: Mapping[str, Any], *, rules: InputRules | None = None
) -> GroupInput:
    """Checks the settings of one group.

    Raises:
        MissingGroup: an empty or blank group id.
        InvalidSettings: no id, or `default`; or every bad field with its rule. Values are
            never shown.
    """
    checked = group_id(group)
    if checked == TEMPLATE:
        raise InvalidSettings(
            f"{TEMPLATE!r} names the template that groups extend, not a group", fields=("group_id",)
        )
    if "group_id" in values:
        raise InvalidSettings(
            "group_id: the group is named by its key, not by a field", fields=("group_id",)
        )
    try:
        return GroupInput.model_validate({**values, "group_id": checked}, context=rules)
    except ValidationError as error:
        problems = [_problem(details) for details in error.errors(include_input=False)]
    # Outside the handler: pydantic's error holds every value, and a traceback would show them.
    raise InvalidSettings.of(problems)


_WORDING: Mapping[str, Callable[[str], str]] = {
    "extra_forbidden": lambda name: f"is unknown{nearest(name, FIELD_NAMES)}",
    "bool_type": lambda _: "must be true or false",
    "string_type": lambda _: "must be text: put it in quotes",
    "int_type": lambda _: "must be a whole number",
    "tuple_type": lambda _: "must be a list",
}


def _problem(details: ErrorDetails) -> tuple[str, str]:
    name = str(details["loc"][0]).removesuffix("_")
    wording = _WORDING.get(details["type"])
    rule = wording(name) if wording else details["msg"].removeprefix("Value error, ")
    return name, rule
