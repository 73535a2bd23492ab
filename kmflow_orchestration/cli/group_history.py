"""How `kmflow group history` prints versions and deeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kmflow_orchestration.cli.output import show_json, show_rows
from kmflow_orchestration.clock import iso
from kmflow_orchestration.config.group_values import changed_names, shown

if TYPE_CHECKING:
    from kmflow_orchestration.metadata.config_audit import AuditEntry, Deed
    from kmflow_orchestration.metadata.group_rows import SavedConfig


def show_versions(group: str, versions: Sequence[SavedConfig], *, as_json: bool) -> None:
    """Versions, newest first, each with what it changed."""
    former = [*versions[1:], None]
    changes = [_changed(one, before) for one, before in zip(versions, former, strict=True)]
    if as_json:
        rows = [
            {**_saved(one), "changed": changed, "settings": shown(one.config)}
            for one, changed in zip(versions, changes, strict=True)
        ]
        show_json({"group": group, "versions": rows})
        return
    columns = ("version", "saved at", "by", "changed")
    cells = [
        (one.config.version, iso(one.created_at)[:19], one.created_by_email, ", ".join(changed))
        for one, changed in zip(versions, changes, strict=True)
    ]
    show_rows(f"Settings of {group}", columns, cells)


def show_deeds(group: str, entries: Sequence[AuditEntry], *, as_json: bool) -> None:
    """The audit trail, newest first."""
    if as_json:
        show_json({"group": group, "deeds": [_deed(entry) for entry in entries]})
        return
    cells = [
        (
            iso(entry.at)[:19],
            entry.deed.actor_email,
            entry.deed.action.value,
            f"refused: {entry.deed.error_code}" if entry.deed.error_code else "done",
            _what(entry.deed),
        )
        for entry in entries
    ]
    show_rows(f"Deeds on {group}", ("at", "by", "action", "outcome", "what"), cells)


def _changed(one: SavedConfig, before: SavedConfig | None) -> list[str]:
    return ["created"] if before is None else changed_names(before.config, one.config)


def _saved(one: SavedConfig) -> dict[str, Any]:
    return {
        "version": one.config.version,
        "active": one.is_active,
        "saved_at": iso(one.created_at),
        "author": one.created_by_email,
    }


def _deed(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": iso(entry.at),
        "actor": entry.deed.actor_email,
        "action": entry.deed.action.value,
        "error_code": entry.deed.error_code,
        "before": entry.deed.before,
        "after": entry.deed.after,
    }


def _what(deed: Deed) -> str:
    """What a deed was about, in a few words."""
    after = deed.after or {}
    if "reference" in after:
        return str(after["reference"])
    if after.get("what") == "evidence":
        return f"{after['files']} files, {after['size_bytes']:,} bytes, received on {after['day']}"
    if after.get("what") == "output":
        return str(after["path"])
    return ", ".join(_differing(deed.before, deed.after))


def _differing(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    if before is None or after is None:
        return []
    return [name for name in after if name != "version" and after[name] != before.get(name)]
