"""Whether tests may use a real workspace: only where somebody says so, by name (row D44)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SWITCH, PROFILE, VOLUME = "KMFLOW_LIVE", "DATABRICKS_CONFIG_PROFILE", "KMFLOW_LIVE_VOLUME"
GROUP = "KMFLOW_DEFAULT_GROUP"


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """A profile, a Volume that tests may write below, and the group that it is of."""

    profile: str
    volume: str
    group: str

    @property
    def place(self) -> tuple[str, str]:
        """Catalog and schema of the Volume."""
        _, _, catalog, schema, *_ = self.volume.split("/")
        return catalog, schema


def live_settings(environment: Mapping[str, str]) -> LiveSettings | str:
    """The settings, or why nothing is tried."""
    if environment.get(SWITCH) != "1":
        return f"{SWITCH} is not 1"
    profile, volume = environment.get(PROFILE, ""), environment.get(VOLUME, "").rstrip("/")
    if not profile:
        return f"{PROFILE} names no profile"
    parts = volume.split("/")
    if len(parts) != 5 or parts[:2] != ["", "Volumes"] or not all(parts[2:]):
        return f"{VOLUME} names no Volume: /Volumes/CATALOG/SCHEMA/VOLUME"
    return LiveSettings(profile, volume, environment.get(GROUP) or "live")
