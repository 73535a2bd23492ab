"""Files that hold secrets must be their owner's alone (settlement CD-S4)."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from kmflow_orchestration.errors import CredentialError

logger = logging.getLogger(__name__)


def check_private(path: Path, *, production: bool) -> None:
    """Whether nobody but its owner can read or change a file; a missing file is somebody else's.

    A file that is not ours, such as a mounted secret of an orchestrator, may be readable by a
    group, because that group is how it reaches us. Outside production a fault is a warning.

    Raises:
        CredentialError: in production; says which chmod helps.
    """
    if os.name != "posix" or not path.exists():
        return
    found = path.stat()
    too_much = found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    if found.st_uid != os.geteuid():
        too_much &= ~(stat.S_IRGRP | stat.S_IXGRP)
    if not too_much:
        return
    if production:
        raise CredentialError(f"{path} is open to others", hint=f"chmod 600 {path}")
    logger.warning("%s is open to others: chmod 600 %s", path, path)
