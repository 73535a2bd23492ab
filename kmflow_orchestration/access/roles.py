"""What a caller may do in a group: three roles, each reaching further than the one before."""

from __future__ import annotations

from enum import StrEnum

from kmflow_orchestration.config.nearest import nearest
from kmflow_orchestration.errors import InvalidSettings


class Role(StrEnum):
    """`viewer` reads, `editor` works, `admin` also changes settings and gives out tokens."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"

    def reaches(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may."""
        return _ORDER.index(self) >= _ORDER.index(needed)


_ORDER = (Role.VIEWER, Role.EDITOR, Role.ADMIN)


def parse_role(text: str) -> Role:
    """A role by its name.

    Raises:
        InvalidSettings: no such role; the nearest one is named.
    """
    if text not in set(Role):
        raise InvalidSettings(
            f"role: {text!r} is none{nearest(text, [*Role])}",
            fields=("role",),
            hint=f"one of {', '.join(Role)}",
        )
    return Role(text)
