"""The composition root, for a process and for each of its groups.

Skins ask it for what an operation needs; operations never see it. A test replaces a part by
passing another clock or other settings.
"""

from __future__ import annotations

from kmflow_orchestration.context.group import GroupContext
from kmflow_orchestration.context.root import Context

__all__ = ["Context", "GroupContext"]
