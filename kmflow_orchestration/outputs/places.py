"""Which places a group's outputs may go to; Unity Catalog's names know no upper and lower case."""

from __future__ import annotations

from collections.abc import Iterable

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import GroupMismatch, PlaceNotAllowed
from kmflow_orchestration.names import VolumePath


def check_place(place: VolumePath, config: GroupConfig) -> None:
    """Whether outputs of a group may go to a place.

    Raises:
        PlaceNotAllowed: in a catalog the group may not use, or where its evidence is kept.
    """
    allowed = allowed_catalogs(config)
    if place.catalog.lower() not in allowed:
        raise PlaceNotAllowed(
            f"group {config.group_id} may not put outputs into catalog {place.catalog}",
            hint="add it to the group's allowed_catalogs",
        )
    if overlap(place, config.volume):
        raise PlaceNotAllowed(
            f"{config.volume.text} holds evidence of group {config.group_id}, not outputs",
            hint="give outputs a Volume of their own",
        )


def check_own(path: VolumePath, places: Iterable[VolumePath], config: GroupConfig) -> None:
    """Whether a path lies in one of the places that outputs of the group went to.

    Raises:
        PlaceNotAllowed: it does not, or may not any more.
    """
    if not any(within(path, place) for place in places):
        raise PlaceNotAllowed(f"{path.text} is no place of group {config.group_id}'s outputs")
    check_place(path, config)


def refuse_neighbours(
    place: VolumePath, config: GroupConfig, others: Iterable[GroupConfig]
) -> None:
    """Refuse a place that another group of the same workspace has for its outputs or evidence.

    Raises:
        GroupMismatch: naming no more than the place.
    """
    for other in others:
        if other.group_id == config.group_id or other.host != config.host or not config.host:
            continue
        theirs = [other.volume]
        theirs += [VolumePath.parse(other.volume_path)] if other.volume_path else []
        if any(overlap(place, one) for one in theirs):
            raise GroupMismatch(
                f"{place.text} belongs to another group than {config.group_id}",
                hint="give each group a Volume of its own",
            )


def overlap(one: VolumePath, other: VolumePath) -> bool:
    """Whether one of two places lies in the other, or both are the same."""
    return within(one, other) or within(other, one)


def within(path: VolumePath, place: VolumePath) -> bool:
    """Whether a path is a place or lies below it, by components."""
    return _normal(place).contains(_normal(path))


def _normal(path: VolumePath) -> VolumePath:
    return VolumePath(path.catalog.lower(), path.schema.lower(), path.volume.lower(), path.parts)


def allowed_catalogs(config: GroupConfig) -> set[str]:
    """Those named, by default the group's own; the catalog of its own path was chosen with it."""
    allowed = {name.lower() for name in config.allowed_catalogs or (config.catalog,)}
    if config.volume_path:
        allowed.add(VolumePath.parse(config.volume_path).catalog.lower())
    return allowed
