"""What ends a conversion through no fault of the content, and the code of every other fault."""

from __future__ import annotations

import errno

FAILED = "conversion_failed"
# A cell, a record or a table beyond what is taken.
TOO_LARGE = "too_large_inside"
# What the disk refuses, or this process may not do.
DISK_FAULTS = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
        *(errno.EIO, errno.EMFILE, errno.ENFILE),
    }
)
