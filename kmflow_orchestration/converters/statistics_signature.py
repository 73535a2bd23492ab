"""How files of SPSS, Stata and SAS begin."""

from __future__ import annotations

_SAS = bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")
_SPSS = (b"$FL2", b"$FL3")
# Releases of Stata that wrote a header of bytes; later ones write `<stata_dta>`.
_STATA_RELEASES = frozenset({104, 105, 108, 110, 111, 112, 113, 114, 115})


def kind_of(head: bytes) -> str:
    """`sav`, `dta` or `sas7bdat` by a file's first bytes; '' for any other."""
    if head.startswith(_SPSS):
        return "sav"
    if head.startswith(_SAS):
        return "sas7bdat"
    if head.startswith(b"<stata_dta>"):
        return "dta"
    is_old = len(head) > 3 and head[0] in _STATA_RELEASES and head[1] in (1, 2)
    return "dta" if is_old and head[2:4] == b"\1\0" else ""
