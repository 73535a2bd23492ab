"""Any file name in a header: nothing breaks out of it, and every client finds the name again."""

from __future__ import annotations

from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.service.content_disposition import attachment

NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=80)


@given(name=NAMES)
def test_every_name_comes_back_out_of_the_header(name: str) -> None:
    header = attachment(name)

    assert header.isascii()
    assert header.isprintable()
    disposition, plain, encoded = split(header)
    assert disposition == "attachment"
    assert not set(plain) & set('"\\/%')
    assert unquote(encoded, errors="strict") == name


@given(name=NAMES)
def test_a_parser_of_the_standard_library_agrees(name: str) -> None:
    message = Message()
    message["Content-Disposition"] = attachment(name)
    assert message.get_content_disposition() == "attachment"
    found = message.get_params(header="content-disposition") or []
    assert [collapse_rfc2231_value(one) for _, one in found if isinstance(one, tuple)] == [name]


def split(header: str) -> tuple[str, str, str]:
    """Disposition, name in ASCII and encoded name; the only quotes are those around the former."""
    assert header.count('"') == 2
    disposition, _, rest = header.partition('; filename="')
    plain, _, encoded = rest.partition("\"; filename*=UTF-8''")
    return disposition, plain, encoded


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("loans.csv", "loans.csv"),
        ("Übersicht.csv", "Ubersicht.csv"),
        ('a"; filename="b.exe', "a_; filename=_b.exe"),
        ("a\r\nSet-Cookie: x", "a__Set-Cookie: x"),
        ("..\\..\\x", ".._.._x"),
        ("\u202ecod.exe", "_cod.exe"),
        ("\u0301", "_"),
        ("\udcff.csv", "_.csv"),
    ],
)
def test_old_clients_get_a_name_that_does_nothing(name: str, plain: str) -> None:
    assert split(attachment(name))[1] == plain
