"""What a file of an evidence store was called before the store put an id in front of its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kmflow_orchestration.identity import item_id, stored_name
from kmflow_orchestration.storage.evidence_paths import is_stored_name, original_name

# The former local store put 8 random digits in front, its other stores 16.
_EIGHT = re.compile(r"[0-9a-f]{8}_(?=.)", re.DOTALL)
# Of random digits one in sixty thousand is a day; of people's own names with 8 digits, most are.
_DAY = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])_")


@dataclass(frozen=True, slots=True)
class FormerName:
    """A file's own name; `is_ours` says that this product stored it under the item's id."""

    file_name: str
    is_ours: bool = False


def former_name(
    group: str, engagement: str, content_hash: str, name: str, *, keep_names: bool = False
) -> FormerName:
    """The own name of a file that lies in a store, or in a plain folder.

    A prefix that is the item's own id is always taken off; any other of 8 or 16 hex digits unless
    `keep_names`, or it is a day such as `20260131_`.
    """
    if is_stored_name(name):
        own = original_name(name)
        if stored_name(item_id(group, engagement, content_hash, own), own) == name:
            return FormerName(own, is_ours=True)
        return FormerName(name if keep_names or own in {".", ".."} else own)
    if keep_names or _EIGHT.match(name) is None or _DAY.match(name):
        return FormerName(name)
    own = name[9:]
    return FormerName(name if own in {".", ".."} else own)
