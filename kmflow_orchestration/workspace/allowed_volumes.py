"""Which Volumes a caller was found to be allowed, remembered while nothing changes."""

from __future__ import annotations

from pathlib import Path

from kmflow_orchestration.workspace.catalog_store import CatalogStore
from kmflow_orchestration.workspace.foundation import Foundation
from kmflow_orchestration.workspace.wire import Caller


class AllowedVolumes:
    """Directories of Volumes, for callers who hold a privilege on them.

    A privilege takes a dozen small queries, and thousands of uploads a second all ask the same;
    so answers are kept until any row of the database changes.
    """

    def __init__(self, services: Foundation, catalog: CatalogStore) -> None:
        self._database = services.state.database
        self._catalog = catalog
        self._changes = -1
        self._roots: dict[tuple[Caller, tuple[str, str, str], str], Path] = {}

    def root(self, caller: Caller, names: tuple[str, str, str], privilege: str) -> Path:
        """The directory of Volume (catalog, schema, name). Raises WireError 403, 404."""
        changes = self._database.changes
        if changes != self._changes:
            self._roots, self._changes = {}, changes
        # Held in a local: a grant that changes meanwhile replaces the dictionary, not this answer.
        roots, key = self._roots, (caller, names, privilege)
        if key not in roots:
            self._catalog.require(caller, privilege, "VOLUME", ".".join(names))
            roots[key] = self._catalog.volume_directory(caller, *names)
        return roots[key]
