"""The composition root: settings become clients, stores and repositories, lazily, in one place.

Skins ask it for what an operation needs; operations never see it. A test replaces a part by
passing another clock or other settings.
"""

from kmflow_orchestration.context.group import GroupContext
from kmflow_orchestration.context.process import Context

__all__ = ["Context", "GroupContext"]
