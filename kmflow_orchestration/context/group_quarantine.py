"""What is kept back of one group, for people who decide and for steps that report it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

from kmflow_orchestration.context.group_parts import GroupParts
from kmflow_orchestration.metadata.quarantine_records import Held


class GroupQuarantine(GroupParts):
    """The group's quarantine."""

    def listing_quarantine(self) -> dict[str, Any]:
        """Arguments of `list_quarantine` besides group and caller."""
        return {"quarantine": self._process.quarantine}

    def showing_quarantined(self) -> dict[str, Any]:
        """Arguments of `show_quarantined` besides group, item and caller."""
        return {
            **self.listing_quarantine(),
            "register": self._process.register,
            "registry": self._process.datasets,
            "stores": self.stores,
        }

    def accepting_quarantined(self) -> dict[str, Any]:
        """Arguments of `accept_quarantined` besides group, items, reason and caller."""
        return {
            **self.listing_quarantine(),
            "register": self._process.register,
            "history": self._process.file_history,
        }

    def retrying_quarantined(self) -> dict[str, Any]:
        """Arguments of `retry_quarantined` besides group, items and caller."""
        return {**self.accepting_quarantined(), "corrections": self._process.corrections}

    def refused(self, day: date, *, stored: bool) -> list[str]:
        """Quarantined files of a day as `path: code`: before storing, or those that are stored.

        Those that somebody accepted are no longer of it.
        """
        kind = Held.ITEM if stored else Held.FILE
        return [
            f"{one.path}: {one.code}"
            for one in self._process.quarantine.files(self.id)
            if one.is_open and one.received_on == day and one.kind is kind
        ]

    def open_quarantine(self) -> Mapping[str, int]:
        """How many files and items of the group wait in quarantine, by code."""
        found = self._process.quarantine.files(self.id)
        # What could not be stored is tried again by itself.
        waiting = (one.code for one in found if one.is_open and one.kind is not Held.FAILED)
        return dict(sorted(Counter(waiting).items()))
