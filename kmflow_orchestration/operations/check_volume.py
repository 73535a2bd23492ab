"""Whether files of one Volume can be read and written, step by step (rows C16 and D15).

The first steps are those of `check_connection`; no warehouse is asked.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from itertools import islice

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.errors import (
    ConfigurationError,
    InvalidOptions,
    KmflowError,
    VolumeNotFoundError,
)
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.check_connection import (
    Checking,
    Connect,
    ConnectionCheck,
    Step,
    TlsContext,
    all_steps,
)
from kmflow_orchestration.operations.volume_conversion.access_checks import check_access
from kmflow_orchestration.operations.volume_conversion.mounts import DatabricksEnvironment
from kmflow_orchestration.operations.volume_conversion.places import GroupPlaces
from kmflow_orchestration.operations.volume_conversion.volumes import READ, Volumes, naming_grants

_LOOKED_AT = 100


def volume_to_check(places: GroupPlaces, text: str, *, catalog: str, schema: str) -> VolumePath:
    """What somebody named, which the group may read and write; '' is its own evidence Volume.

    Raises:
        UnsafePath: it is no place in a Volume.
        PlaceNotAllowed, GroupMismatch: it is none of the group's.
    """
    own = places.config.volume
    place = VolumePath.given(text, catalog=catalog, schema=schema) if text else own
    if place != own:
        places.check_source(place)
        places.check_target(place)
    return place


def check_volume(
    places: GroupPlaces,
    place: VolumePath,
    *,
    connect: Connect,
    clock: Clock,
    timeout_s: float = 30.0,
    tls_context: TlsContext = ssl.create_default_context,
    is_saved: bool = True,
) -> ConnectionCheck:
    """Try a place that `volume_to_check` gave; nothing is left behind.

    `is_saved` is false for settings that no group has. Else as `check_connection`.
    """
    checking = _VolumeChecking(places.config, connect, clock, timeout_s, tls_context)
    checking.place, checking.places, checking.is_saved = place, places, is_saved
    return checking.done()


def check_mounted(
    volumes: Volumes, here: DatabricksEnvironment, text: str, clock: Clock
) -> ConnectionCheck:
    """The same where Volumes are folders, as on a cluster, for whoever runs there.

    Raises:
        UnsafePath: it is no place in a Volume.
        InvalidOptions: none is named.
    """
    if not text:
        raise InvalidOptions("name the Volume to try", hint="/Volumes/catalog/schema/volume")
    place = volumes.target(text)
    assert isinstance(place, VolumePath)  # noqa: S101 - its form was looked at
    steps: list[Step] = [
        ("environment", lambda: here.told),
        ("read", lambda: _read(volumes, place)),
        ("write", lambda: _written(volumes, place)),
    ]
    return all_steps("", steps, clock, lambda _, error: error.hint)


class _VolumeChecking(Checking):
    place: VolumePath
    places: GroupPlaces
    is_saved: bool

    def steps(self) -> Iterator[Step]:
        yield from self.nearest_steps()
        yield "catalog", self._catalog
        yield "schema", self._schema
        yield "volume", self._volume
        yield "read", lambda: _read(self._volumes, self.place)
        yield "write", lambda: _written(self._volumes, self.place)

    def remedy(self, step: str, error: KmflowError) -> str:
        if not self.is_saved and isinstance(error, ConfigurationError):
            return error.hint or "kmflow databricks login makes a profile that signs in"
        return super().remedy(step, error)

    @property
    def _volumes(self) -> Volumes:
        return Volumes(VolumeFiles(self.calls), self.places, clock=self._clock)

    def _catalog(self) -> str:
        if not UnityCatalog(self.calls).catalog_exists(self.place.catalog):
            raise self._unseen(f"catalog {self.place.catalog}", "USE CATALOG on it")
        return self.place.catalog

    def _schema(self) -> str:
        name = f"{self.place.catalog}.{self.place.schema}"
        found = UnityCatalog(self.calls).schemas(self.place.catalog)
        if self.place.schema.lower() not in {one.lower() for one in found}:
            raise self._unseen(f"schema {name}", "USE SCHEMA on it")
        return name

    def _volume(self) -> str:
        found = UnityCatalog(self.calls).volumes(self.place.catalog, self.place.schema)
        if self.place.volume.lower() not in {one.lower() for one in found}:
            seen = ", ".join(sorted(found)) or "none"
            raise self._unseen(
                f"Volume {self.place.volume_name}", f"READ VOLUME on it, or name one of: {seen}"
            )
        return self.place.volume_name

    def _unseen(self, what: str, needed: str) -> VolumeNotFoundError:
        return VolumeNotFoundError(
            f"there is no {what}, or it may not be seen", hint=f"ask for {needed}"
        )


def _read(volumes: Volumes, place: VolumePath) -> str:
    with naming_grants(place, READ):
        found = list(islice(volumes.access.list_names(place, must_exist=True), _LOOKED_AT + 1))
    more = "more than " if len(found) > _LOOKED_AT else ""
    return f"{place.text}: {more}{min(len(found), _LOOKED_AT)} entries"


def _written(volumes: Volumes, place: VolumePath) -> str:
    check_access(volumes, place)
    return "an empty file was written and removed"
