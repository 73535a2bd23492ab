"""Which places of Volumes a group's conversions may read, and which they may write (design AD6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import GroupMismatch, PlaceNotAllowed
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.outputs.places import allowed_catalogs, check_place, overlap, within
from kmflow_orchestration.storage.evidence_paths import FOLDER

Neighbours = Callable[[], Iterable[GroupConfig]]


@dataclass(frozen=True)
class GroupPlaces:
    """The places of one group, told from those of its neighbours before anything is asked."""

    config: GroupConfig
    neighbours: Neighbours = field(default=tuple, repr=False)

    def check_source(self, path: VolumePath) -> None:
        """Whether the group's conversions may read there.

        Raises:
            PlaceNotAllowed: it is in a catalog the group may not use, or stored evidence, of which
                every download is on record.
            GroupMismatch: it is another group's.
        """
        own = any(within(path, place) for place in _places(self.config))
        if not own and path.catalog.lower() not in allowed_catalogs(self.config):
            raise PlaceNotAllowed(
                f"group {self.config.group_id} may not use catalog {path.catalog}",
                hint="add it to the group's allowed_catalogs",
            )
        if within(path, self.config.volume.joined(FOLDER)):
            raise PlaceNotAllowed(
                f"{path.text} is stored evidence, of which every download is on record",
                hint="kmflow evidence download ITEM, then convert the copy",
            )
        self._refuse_neighbours(path)

    def check_target(self, path: VolumePath) -> None:
        """Whether results of the group's conversions may go there.

        Raises:
            PlaceNotAllowed: as outputs of tasks, or where evidence is dropped.
            GroupMismatch: it is another group's.
        """
        check_place(path, self.config)
        landing = self.config.landing_volume
        if landing is not None and overlap(path, landing):
            raise PlaceNotAllowed(
                f"{landing.text} takes evidence of group {self.config.group_id}, not results",
                hint="name an OUTPUT elsewhere",
            )
        self._refuse_neighbours(path)

    def check_schema(self, catalog: str, schema: str) -> None:
        """Whether a schema is this group's. Raises GroupMismatch, also if others have it, too."""
        others = (other for other in self._others() if _has_schema(other, catalog, schema))
        if not _has_schema(self.config, catalog, schema) or any(others):
            raise GroupMismatch(
                f"schema {catalog}.{schema} does not belong to group {self.config.group_id}",
                hint=f"tables of the group lie in {self.config.catalog}.{self.config.schema}",
            )

    def _refuse_neighbours(self, path: VolumePath) -> None:
        for other in self._others():
            in_schemas = _has_schema(other, path.catalog, path.schema)
            if in_schemas or any(overlap(path, place) for place in _places(other)):
                raise GroupMismatch(
                    f"{path.text} belongs to another group than {self.config.group_id}",
                    hint="give each group a Volume of its own",
                )

    def _others(self) -> Iterator[GroupConfig]:
        """Of the same workspace."""
        for other in self.neighbours():
            if other.group_id != self.config.group_id and other.host == self.config.host:
                yield other


def _has_schema(config: GroupConfig, catalog: str, schema: str) -> bool:
    """Names of Unity Catalog know no upper and lower case."""
    own = {name.lower() for name in config.namespace.schemas}
    is_own = catalog.lower() == config.catalog.lower() and schema.lower() in own
    return is_own and bool(config.schema)


def _places(config: GroupConfig) -> Iterator[VolumePath]:
    """Where a group's evidence and outputs are."""
    yield config.volume
    for text in (config.volume_path, config.knowledge_volume_path):
        if text:
            yield VolumePath.parse(text)
    if config.landing_volume is not None:
        yield config.landing_volume
