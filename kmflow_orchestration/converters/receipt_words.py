"""Options in the receipt of a table that say where it came from, and not how it was read."""

from __future__ import annotations

# Of a table out of an archive, the file it was read from.
MEMBER, MEMBER_PART = "member", "member_part"
READERS = "readers"
"""In the receipt of `members`: all who read a file, as `name:version` and with commas between."""
MEMBER_SHA256, ARCHIVE_SHA256 = "member_sha256", "archive_sha256"
ABOUT_MEMBERS = frozenset({MEMBER, MEMBER_PART, MEMBER_SHA256, ARCHIVE_SHA256})
BESIDE = "beside"
"""Of a table of what stands beside the cells of a workbook, such as comments."""
