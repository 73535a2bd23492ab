"""Where converters of others are offered; nothing of theirs is imported here (row D23)."""

from __future__ import annotations

import importlib.metadata
import os
from functools import cache

ENTRY_POINTS = "kmflow.converters"
FOLDER_VARIABLE = "KMFLOW_PLUGIN_DIR"


def plugin_folder() -> str:
    """The folder that the environment names; '' for none."""
    return os.environ.get(FOLDER_VARIABLE, "")


@cache
def installed_points() -> importlib.metadata.EntryPoints:
    """What installed packages offer; looked for once, as it reads a file of every package."""
    return importlib.metadata.entry_points(group=ENTRY_POINTS)


def has_plugins() -> bool:
    """Whether there may be any."""
    return bool(plugin_folder() or installed_points())
