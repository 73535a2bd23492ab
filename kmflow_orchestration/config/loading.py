"""Groups from YAML (row C20).

groups:
  default: {workspace_url: …}        a template others may extend, not a group
  acme: {extends: default, schema: acme, token: "env:ACME_TOKEN"}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.config.group_input import (
    TEMPLATE,
    GroupInput,
    InputRules,
    parse_group,
)
from kmflow_orchestration.config.nearest import nearest
from kmflow_orchestration.config.yaml_lines import LineNumbers, read_document
from kmflow_orchestration.errors import ConfigurationError, InvalidSettings

_TOP_KEYS = ("groups", "allowed_hosts")


def load_groups(
    path: Path, *, production: bool = False, allowed_hosts: Sequence[str] = ()
) -> list[GroupInput]:
    """Groups of a YAML file, in its order; `allowed_hosts` beside those the file names.

    Raises:
        ConfigurationError: file, line, group and field of everything that is wrong, at once.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise ConfigurationError(
            f"{path}: cannot be read: {reason}", hint="name a YAML file of groups"
        ) from error
    return read_groups(text, source=path.name, production=production, allowed_hosts=allowed_hosts)


def read_groups(
    text: str, *, source: str, production: bool = False, allowed_hosts: Sequence[str] = ()
) -> list[GroupInput]:
    """Groups of a YAML text; `source` is the name that errors give it.

    Raises:
        ConfigurationError: as `load_groups`.
    """
    document, lines = read_document(text, source)
    entries = _entries(document, lines)
    hosts = (*_allowed_hosts(document, lines), *allowed_hosts)
    rules = InputRules(allowed_hosts=hosts, production=production)
    problems = _Problems(lines)
    groups: list[GroupInput] = []
    for name in entries:
        if name != TEMPLATE:
            try:
                groups.append(parse_group(name, _resolved(name, entries), rules=rules))
            except ConfigurationError as error:
                problems.add(name, error)
    problems.refuse()
    return groups


@dataclass(slots=True)
class _Problems:
    """Collects what is wrong, group by group (mutable: it grows while the file is read)."""

    lines: LineNumbers
    messages: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    def add(self, group: str, error: ConfigurationError) -> None:
        rules = error.message.split("; ") if error.fields else [str(error)]
        for name, rule in zip(error.fields or ("",), rules, strict=False):
            place = self.lines.place("groups", group, name)
            self.messages += (f"{place}: group {group}: {rule}",)
            self.fields += (f"groups.{group}" + (f".{name}" if name else ""),)

    def refuse(self) -> None:
        if self.messages:
            raise InvalidSettings("\n".join(self.messages), fields=self.fields)


def _entries(document: Any, lines: LineNumbers) -> Mapping[str, Mapping[str, Any]]:
    if not isinstance(document, dict) or not isinstance(document.get("groups"), dict):
        raise ConfigurationError(
            f"{lines.source}: expected a mapping `groups:` of at least one group",
            fields=("groups",),
        )
    for key in document:
        if key not in _TOP_KEYS:
            raise ConfigurationError(
                f"{lines.place(str(key))}: {key} is unknown{nearest(str(key), _TOP_KEYS)}",
                fields=(str(key),),
            )
    entries: dict[str, Mapping[str, Any]] = {}
    for name, values in document["groups"].items():
        entries[str(name)] = _checked_entry(str(name), values, lines)
    return entries


def _checked_entry(name: str, values: Any, lines: LineNumbers) -> Mapping[str, Any]:
    if values is None:
        return {}
    if isinstance(values, dict):
        return {str(key): value for key, value in values.items()}
    raise ConfigurationError(
        f"{lines.place('groups', name)}: group {name}: expected a mapping of settings",
        fields=(f"groups.{name}",),
    )


def _allowed_hosts(document: Mapping[str, Any], lines: LineNumbers) -> tuple[str, ...]:
    hosts = document.get("allowed_hosts") or []
    if isinstance(hosts, list) and all(isinstance(host, str) for host in hosts):
        return tuple(hosts)
    raise ConfigurationError(
        f"{lines.place('allowed_hosts')}: allowed_hosts: expected a list of host names",
        fields=("allowed_hosts",),
    )


def _resolved(name: str, entries: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Settings of an entry laid over those it extends, however long the chain."""
    layers: list[Mapping[str, Any]] = []
    seen: list[str] = []
    current: Any = name
    while current is not None:
        if current in seen:
            raise ConfigurationError("extends: goes in a circle", fields=("extends",))
        if not isinstance(current, str) or current not in entries:
            known = [entry for entry in entries if entry != name]
            raise ConfigurationError(
                f"extends: there is no entry of that name{nearest(str(current), known)}",
                fields=("extends",),
            )
        seen.append(current)
        layers.append(entries[current])
        current = entries[current].get("extends")
    merged = {key: value for layer in reversed(layers) for key, value in layer.items()}
    merged.pop("extends", None)
    return merged
