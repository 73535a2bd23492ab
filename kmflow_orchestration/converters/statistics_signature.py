"""How files of SPSS, Stata and SAS begin; the names of kinds are those of their suffixes."""

from __future__ import annotations

_SAS = bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")
_SPSS = (b"$FL2", b"$FL3")
_TRANSPORT = (b"HEADER RECORD*******LIBRARY HEADER", b"HEADER RECORD*******LIBV8   HEADER")
# Of a portable file: 200 bytes of greeting, 256 of letters, and its name, in lines of 80.
_PORTABLE, _PORTABLE_AT, _BREAKS = b"SPSSPORT", 456, bytes((10, 13))
# Releases of Stata that wrote a header of bytes; later ones write `<stata_dta>`.
_STATA_RELEASES = frozenset({104, 105, 108, 110, 111, 112, 113, 114, 115})


def kind_of(head: bytes) -> str:
    """`sav`, `por`, `dta`, `sas7bdat` or `xpt` by a file's first bytes; '' for any other."""
    if head.startswith(_SPSS):
        return "sav"
    if head.startswith(_TRANSPORT):
        return "xpt"
    if head[:600].translate(None, _BREAKS)[_PORTABLE_AT:].startswith(_PORTABLE):
        return "por"
    if head.startswith(_SAS):
        return "sas7bdat"
    if head.startswith(b"<stata_dta>"):
        return "dta"
    is_old = len(head) > 3 and head[0] in _STATA_RELEASES and head[1] in (1, 2)
    return "dta" if is_old and head[2:4] == b"\1\0" else ""
