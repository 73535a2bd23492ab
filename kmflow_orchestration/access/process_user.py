"""Who runs this process: the one that is noted when nobody signed in."""

from __future__ import annotations

import getpass
import os


def operator_name() -> str:
    """Name of the user this process runs as; a container's user may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
