"""How much an archive may hold: hostile ones unpack to more than any disk has (row D22)."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.errors import CorruptInput


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """For an archive with all that is nested in it; `max_depth` counts it as the first level.

    Text that repeats itself packs well: the ratio matters from `ratio_from_bytes` on.
    """

    max_members: int = 10_000
    max_bytes: int = 10 << 30
    max_ratio: int = 100
    ratio_from_bytes: int = 256 << 20
    max_depth: int = 3


class Budget:
    """What is left of the limits while an archive is gone through."""

    def __init__(self, limits: ArchiveLimits, archive_bytes: int) -> None:
        """`archive_bytes` is the size of the outermost archive."""
        self._limits = limits
        self._members = limits.max_members
        swollen = max(limits.ratio_from_bytes, limits.max_ratio * archive_bytes)
        self._bytes = min(limits.max_bytes, swollen)

    @property
    def bytes_left(self) -> int:
        return self._bytes

    def take_members(self, count: int) -> None:
        """Raises CorruptInput when there are more (`too_large_inside`)."""
        if count > self._members:
            text = f"{count} files, and at most {self._limits.max_members} are taken in all"
            raise CorruptInput(text, reason=TOO_LARGE)
        self._members -= count

    def excess(self, size_bytes: int, packed_bytes: int) -> str:
        """Takes a file's bytes, or says why they are too many: then nothing is taken."""
        limits = self._limits
        is_large = packed_bytes and size_bytes > limits.ratio_from_bytes
        if is_large and size_bytes > limits.max_ratio * packed_bytes:
            return f"it unpacks to {size_bytes} bytes, more than {limits.max_ratio} times its size"
        if size_bytes > self._bytes:
            return f"it unpacks to {size_bytes} bytes, and {self._bytes} are left to the archive"
        self._bytes -= size_bytes
        return ""
