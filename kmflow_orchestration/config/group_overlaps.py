"""What no two groups may share: schemas, landing folders, and Volumes that outputs go to (AD4)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import InvalidSettings
from kmflow_orchestration.names import VolumePath, is_volume_text

_PATHS = ("volume_path", "knowledge_volume_path", "landing_path")


def refuse_overlap(config: GroupConfig, others: Iterable[GroupConfig]) -> None:
    """Compare a group's settings with those of the others; its own former ones are passed over.

    Raises:
        InvalidSettings: names the other group and the fields that collide.
    """
    for other in others:
        if other.group_id != config.group_id:
            _refuse_pair(config, other)


def _refuse_pair(config: GroupConfig, other: GroupConfig) -> None:
    if _share_schemas(config, other):
        raise InvalidSettings(
            f"group {other.group_id} has its tables in {other.catalog}.{other.schema} of this "
            "workspace already",
            fields=("workspace_url", "catalog", "schema"),
            hint="give each group its own schema",
        )
    if _share_landing(config.landing_path, other.landing_path):
        raise InvalidSettings(
            f"group {other.group_id} has the same landing folder, or one around or inside it",
            fields=("landing_path",),
            hint="give each group its own landing folder",
        )
    if config.host and config.host == other.host:
        _refuse_shared_volumes(config, other)


def _refuse_shared_volumes(config: GroupConfig, other: GroupConfig) -> None:
    theirs = [_volume(other, name) for name in _PATHS]
    for name in _PATHS:
        mine = _volume(config, name)
        if mine is None:
            continue
        shared = any(_meet(mine, one) for one in theirs if one is not None)
        if shared or _lies_in_schemas(mine, other):
            raise InvalidSettings(
                f"group {other.group_id} has its files in {mine} or around it already",
                fields=(name,),
                hint="give each group its own Volume",
            )
    if any(one is not None and _lies_in_schemas(one, config) for one in theirs):
        raise InvalidSettings(
            f"group {other.group_id} has its files in a Volume of {config.catalog}.{config.schema}",
            fields=("catalog", "schema"),
            hint="give each group its own schema",
        )


def _volume(config: GroupConfig, name: str) -> VolumePath | None:
    """A path in lower case, because Unity Catalog compares names so; what lies below stays apart
    on disk, but two groups that differ in case alone are a mistake."""
    text = getattr(config, name)
    if name == "landing_path" and config.landing_volume is None:
        return None
    return VolumePath.parse(text.lower().replace("/volumes/", "/Volumes/", 1)) if text else None


def _meet(one: VolumePath, other: VolumePath) -> bool:
    return one.contains(other) or other.contains(one)


def _lies_in_schemas(path: VolumePath, owner: GroupConfig) -> bool:
    return path.catalog == owner.catalog.lower() and path.schema in _schemas(owner)


def _schemas(config: GroupConfig) -> set[str]:
    return {name.lower() for name in config.namespace.schemas} if config.schema else set()


def _share_schemas(one: GroupConfig, other: GroupConfig) -> bool:
    """Whether any two of their five schemas are one, as Unity Catalog compares names."""
    # Without a workspace each group's tables lie under its own local root.
    if not one.host or (one.host, one.catalog.lower()) != (other.host, other.catalog.lower()):
        return False
    return not _schemas(one).isdisjoint(_schemas(other))


def _share_landing(one: str, other: str) -> bool:
    if not one or not other or is_volume_text(one) or is_volume_text(other):
        return False
    mine, theirs = PurePath(one), PurePath(other)
    return mine.is_relative_to(theirs) or theirs.is_relative_to(mine)
