"""One number for all that a look at the files of a folder goes by: equal, there is nothing new."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

# To be changed with the rules of entry: a listing that was fine by other rules is looked at anew.
_RULES = "1"


def fingerprint(entries: Sequence[os.DirEntry[str]], *, settled_before_ns: int) -> int:
    """Names, sizes, times and rights of files as a signed 64-bit number.

    It is 0 where it could hide a change: behind a link, within the grain of the file system's clock
    (a file changed at `settled_before_ns` or later), or in a file that is gone already.
    """
    lines = []
    newest = 0
    try:
        for entry in entries:
            # A link hides changes of what it leads to.
            if entry.is_symlink():
                return 0
            seen = entry.stat(follow_symlinks=False)
            newest = max(newest, seen.st_mtime_ns)
            lines.append(
                f"{entry.name}/{seen.st_size}/{seen.st_mtime_ns}/{seen.st_ino}/"
                f"{seen.st_mode}/{seen.st_uid}/{seen.st_gid}"
            )
    except OSError:
        return 0
    if not lines or newest >= settled_before_ns:
        return 0
    text = "\n".join([_RULES, str(os.geteuid()), *sorted(lines)])
    digest = hashlib.blake2b(os.fsencode(text), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
