"""What an engagement's quality scores hang on besides the item itself (rows B15, B16)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kmflow_orchestration.metadata.evidence_requests import RequestCount


@dataclass(frozen=True, slots=True)
class ScoringCounts:
    """What scores count, by engagement and category (row B15)."""

    requests: Mapping[tuple[str, str], RequestCount]
    live: Mapping[tuple[str, str], int]
    weights: Mapping[str, str] = field(default_factory=dict)
    """Of engagements that have their own (row B16), as JSON."""

    def requested(self, engagement: str, category: str) -> int:
        """Evidence requests of a category."""
        return self.requests.get((engagement, category), RequestCount()).total

    def fulfilled(self, engagement: str, category: str) -> int:
        """Those of them that are received, validated or active."""
        return self.requests.get((engagement, category), RequestCount()).fulfilled

    def live_items(self, engagement: str, category: str) -> int:
        """Live items of a category, duplicates not counted."""
        return self.live.get((engagement, category), 0)
