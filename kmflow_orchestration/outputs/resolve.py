"""Whether, where and how an output is uploaded: the group's rule, and what a task says besides.

Pure (row A17). Every resolved setting knows where it comes from: the task, the group, or neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from kmflow_orchestration.config.group_config import (
    FilenameMode,
    GroupConfig,
    UploadErrorMode,
    VerifyMode,
)
from kmflow_orchestration.config.nearest import nearest
from kmflow_orchestration.errors import ConfigurationError, InvalidSettings, UnsafePath
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.outputs.places import check_place

FileFormat = Literal["json", "csv", "txt", "parquet"]
FORMATS: tuple[str, ...] = get_args(FileFormat)
LARGEST_MB = 5000
"""MiB that one request of the Files API takes; larger outputs are refused, not sent in parts."""

Origin = Literal["task", "group", "default"]
_NEVER = frozenset({"token", "workspace_url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedUpload:
    """What holds for one output; `max_file_size_mb` counts 1024² bytes."""

    enabled: bool
    place: VolumePath | None
    """None only when nothing is uploaded."""
    file_format: str
    create_date_dirs: bool
    filename_mode: FilenameMode
    max_file_size_mb: int
    on_upload_error: UploadErrorMode
    verify: VerifyMode
    origins: Mapping[str, Origin]
    """By the names of a task's settings."""

    @property
    def checked_place(self) -> VolumePath:
        """Where it goes. Raises ValueError when it goes nowhere."""
        if self.place is None:
            raise ValueError("an output that is not uploaded has no place")
        return self.place

    @property
    def max_bytes(self) -> int:
        return self.max_file_size_mb * 1024 * 1024

    def shown(self) -> dict[str, dict[str, Any]]:
        """Each setting with its value and origin, for people."""
        path = None if self.place is None else self.place.text
        values = {n: path if n == "volume_path" else getattr(self, n) for n in self.origins}
        return {n: {"value": value, "from": self.origins[n]} for n, value in values.items()}


def resolve_upload(config: GroupConfig, override: Mapping[str, Any] | None) -> ResolvedUpload:
    """The group's rule with a task's own settings laid over it; None and unset keys inherit.

    Raises:
        InvalidSettings: every key of the override that is unknown, may not be set by a task, or
            has a wrong value, at once and without the values.
        ConfigurationError: neither group nor task has a path.
        PlaceNotAllowed: the path is in a catalog that the group may not use, or where the group's
            evidence is.
    """
    given = {key: value for key, value in (override or {}).items() if value is not None}
    _refuse(given)
    settings: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for name, setting in _SETTINGS.items():
        settings[name], origins[name] = _resolved(name, setting, config, given)
    path = settings.pop("volume_path")
    place = _place(path, config) if settings["enabled"] else None
    return ResolvedUpload(place=place, origins=origins, **settings)


def _resolved(
    name: str, setting: _Setting, config: GroupConfig, given: Mapping[str, Any]
) -> tuple[Any, Origin]:
    if name in given:
        return given[name], "task"
    value = getattr(config, setting.of_group)
    is_default = value == GroupConfig.__dataclass_fields__[setting.of_group].default
    return value, "default" if is_default else "group"


def _place(path: str | None, config: GroupConfig) -> VolumePath:
    if not path:
        raise ConfigurationError(
            f"group {config.group_id} has no volume_path for outputs, nor has the task",
            fields=("volume_path",),
            hint="set volume_path in the group's configuration",
        )
    place = VolumePath.parse(path)
    check_place(place, config)
    return place


def _refuse(given: Mapping[str, Any]) -> None:
    problems = {name: problem for name in given if (problem := _problem(name, given[name]))}
    if problems:
        raise InvalidSettings.of(problems.items())


def _problem(name: str, value: Any) -> str:
    """What is wrong with one setting of a task, '' when nothing is; never shows the value."""
    if name in _NEVER:
        return "is the group's: a task cannot bring its own, not even as a reference"
    if name not in _SETTINGS:
        return f"is unknown{nearest(name, _SETTINGS)}"
    setting = _SETTINGS[name]
    return "" if setting.allows(value) else setting.rule


@dataclass(frozen=True, slots=True)
class _Setting:
    """A setting that a task may have of its own."""

    of_group: str
    allows: Callable[[Any], bool]
    rule: str


def _flag(of_group: str) -> _Setting:
    return _Setting(of_group, lambda value: isinstance(value, bool), "must be true or false")


def _one_of(of_group: str, allowed: tuple[str, ...]) -> _Setting:
    # Compared as texts: an unhashable value is wrong too, not an error of ours.
    return _Setting(
        of_group,
        lambda value: isinstance(value, str) and value in allowed,
        f"must be one of {', '.join(allowed)}",
    )


def _is_path(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(VolumePath.parse(value))
    except UnsafePath:
        return False


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_MB


_SETTINGS: Mapping[str, _Setting] = {
    "enabled": _flag("volume_enabled"),
    "volume_path": _Setting(
        "volume_path",
        _is_path,
        "must be catalog.schema.volume or /Volumes/catalog/schema/volume[/folder…]",
    ),
    "file_format": _one_of("volume_file_format", FORMATS),
    "create_date_dirs": _flag("volume_create_date_dirs"),
    "filename_mode": _one_of("volume_filename_mode", get_args(FilenameMode)),
    "max_file_size_mb": _Setting(
        "max_file_size_mb", _is_size, f"must be a whole number of 1 to {LARGEST_MB}"
    ),
    "on_upload_error": _one_of("on_upload_error", get_args(UploadErrorMode)),
    "verify": _one_of("volume_verify", get_args(VerifyMode)),
}
