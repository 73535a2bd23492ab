"""Records read by a pattern make the same tables as those a parser read one by one (issue 6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.converters.interface import Receipt, Source
from kmflow_orchestration.converters.xml_gathering import XmlGathering
from kmflow_orchestration.converters.xml_parsing import parse
from kmflow_orchestration.converters.xml_plan import Arrays, Flattening, Plan, plan_of
from kmflow_orchestration.converters.xml_records import XmlConverter
from kmflow_orchestration.converters.xml_shape import Namespaces, Shape
from kmflow_orchestration.converters.xml_stretches import NotStretchesError, StretchedFile
from kmflow_orchestration.errors import CorruptInput

RECEIPT = Receipt("xml", "0", "hash", 0, 0)


def _plan(shape: Shape, flattening: Flattening) -> Plan:
    return plan_of(shape, flattening, Arrays.EXPAND, "")


def _content(gathering: XmlGathering) -> list[Any]:
    return [
        (
            table.part,
            table.facts,
            table.receipt,
            table.warnings,
            [row for batch in table.batches() for row in batch.to_pylist()],
            [batch.schema for batch in table.batches()][:1],
        )
        for table in gathering.tables(RECEIPT, {})
    ]


def _by_the_parser(path: Path, flattening: Flattening) -> list[Any]:
    shape = Shape(Namespaces.STRIP)
    parse(path, shape, namespaces=True)
    gathering = XmlGathering(shape, _plan(shape, flattening))
    parse(path, gathering, namespaces=True)
    return _content(gathering)


def _in_stretches(path: Path, flattening: Flattening, window_bytes: int) -> list[Any]:
    """Raises NotStretchesError."""
    shape = Shape(Namespaces.STRIP)
    stretched = StretchedFile(path, shape, window_bytes=window_bytes)
    gathering = XmlGathering(shape, _plan(shape, flattening))
    stretched.replay(gathering)
    return _content(gathering)


def _records(count: int) -> list[str]:
    """Of one kind, with parts that come late, are left out, empty, or hold entities."""
    found = []
    for at in range(count):
        parts = [f"<id>{at}</id>"]
        if at % 3:
            parts.append(f"<name>A &amp; B &lt;{at % 5}&gt; é&#xA;&#228;&amp;lt;</name>")
        if at % 70 == 69:
            parts.append("<extra/>")
        if at % 90 == 89:
            parts.append(f"<late>{at}.5</late>")
        parts.append(f"<qty>{at % 97 if at % 11 else ''}</qty>")
        found.append(f'<row k="{at}" l="x&quot;{at % 5}">\r\n {"".join(parts)}\r\n</row>')
    return found


@pytest.mark.parametrize("flattening", list(Flattening)[:2])
@pytest.mark.parametrize("window_bytes", [2_000, 20_000, 1 << 20])
def test_records_make_the_same_tables(
    flattening: Flattening, window_bytes: int, tmp_path: Path
) -> None:
    body = "\r\n".join(_records(600))
    path = tmp_path / "rows.xml"
    path.write_text(
        '<?xml version="1.0"?>\n<!-- begins --><rows xmlns="urn:x"><head>t</head>\n'
        f"{body}<foot>z</foot>{body}<row><id>1</id><id>2</id></row></rows>",
        encoding="utf-8",
        newline="",
    )

    assert _in_stretches(path, flattening, window_bytes) == _by_the_parser(path, flattening)


@pytest.mark.parametrize("layout", ["", "\n  "])
def test_records_of_attributes_alone(layout: str, tmp_path: Path) -> None:
    records = (
        f'{layout}<row Id="{at}"' + (f' Tag="t{at % 4}"' if at % 3 else "") + "/>"
        for at in range(300)
    )
    path = tmp_path / "rows.xml"
    path.write_text(f"<rows>{''.join(records)}\n</rows>", encoding="utf-8")

    found = _in_stretches(path, Flattening.CONSERVATIVE, 5_000)

    assert found == _by_the_parser(path, Flattening.CONSERVATIVE)
    assert len(found[0][4]) == 300


def test_records_below_several_parents_keep_theirs(tmp_path: Path) -> None:
    records = "".join(f"<r><a>{at}</a></r>" for at in range(200))
    parts = "".join(f"<part>{records}<n>{at}</n></part>" for at in range(4))
    path = tmp_path / "rows.xml"
    path.write_text(f"<all>{parts}</all>", encoding="utf-8")

    found = _in_stretches(path, Flattening.CONSERVATIVE, 1 << 20)

    assert found == _by_the_parser(path, Flattening.CONSERVATIVE)
    parents = [row["_parent_id"] for row in found[-1][4]]
    assert parents == [number for number in range(1, 5) for _ in range(200)]


PLAIN = "<r><a>1</a><b>x</b></r>"


@pytest.mark.parametrize(
    "content",
    [
        f"<all>{PLAIN * 99}<r><a>1</b></r></all>",
        f"<all>{PLAIN * 99}</all><all/>",
        f"<all>{PLAIN * 99}<r><a>\x01</a><b>x</b></r></all>",
        f"<all>{PLAIN * 99}<r><a>]]></a><b>x</b></r></all>",
        f"<all>{PLAIN * 99}<r><a>\ufffe</a><b>x</b></r></all>",
        f"<all>{PLAIN * 99}<r><a>&own;</a><b>x</b></r></all>",
        f"<all>{PLAIN * 99}<r><a>&#1;</a><b>x</b></r></all>",
        f"<all>{PLAIN * 99}<r><a>a & b</a><b>x</b></r></all>",
        f"<!DOCTYPE all [<!ATTLIST r c CDATA 'd'>]><all>{PLAIN * 99}</all>",
        f"<all><!-- {PLAIN * 99} --><b/></all>",
        f"<all><![CDATA[{PLAIN * 99}]]></all>",
        f'<?xml version="1.0" encoding="iso-8859-1"?><all>{PLAIN * 99}</all>',
        f"<all>{PLAIN * 99}<r p:a='1'/></all>",
        "<all><r><a>1</a></r><s/></all>",
    ],
    ids=range(14),
)
def test_what_is_otherwise_is_left_to_the_parser(content: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.xml"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(NotStretchesError):
        _in_stretches(path, Flattening.CONSERVATIVE, 1 << 20)


TEXTS = st.text(st.sampled_from("0123456789.-aé \n\t&<>]\r"), max_size=4).map(
    lambda text: text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
)
PARTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("abc"), TEXTS).map(lambda one: f"<{one[0]}>{one[1]}</{one[0]}>"),
        st.sampled_from(["<a/>", "<b></b>", "\n", "<!-- a -->", "<![CDATA[<a>]]>", "text"]),
        TEXTS.map(lambda text: f'<c d="{text}">1</c>'),
    ),
    max_size=4,
).map("".join)
RECORDS = st.lists(
    st.one_of(
        st.just("<r><a>1</a><b>2</b></r>"),
        st.tuples(st.sampled_from("rrrs"), PARTS).map(lambda one: f"<{one[0]}>{one[1]}</{one[0]}>"),
        TEXTS.map(lambda text: f'<r k="{text}"><a>1</a></r>'),
        st.sampled_from(
            ["\n", "<r/>", '<r k="1"/>', "text", "<!-- r -->", "<p><r><a>1</a></r></p>"]
        ),
    ),
    min_size=2,
    max_size=30,
).map("".join)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(RECORDS, st.sampled_from([64, 300, 1 << 20]), st.sampled_from(list(Flattening)[:2]))
def test_any_document_is_read_as_by_the_parser(
    tmp_path: Path, records: str, window_bytes: int, flattening: Flattening
) -> None:
    path = tmp_path / "rows.xml"
    path.write_text(f"<all>{records}</all>", encoding="utf-8", newline="")

    try:
        found = _in_stretches(path, flattening, window_bytes)
    except NotStretchesError:
        return
    assert found == _by_the_parser(path, flattening)


def test_a_large_file_says_where_it_is_broken(tmp_path: Path) -> None:
    records = f"{PLAIN}\n" * 100_000
    path = tmp_path / "rows.xml"
    path.write_text(f"<all>\n{records}<r><a>1</b></r></all>", encoding="utf-8")

    with pytest.raises(CorruptInput, match="line 100002, column 10"):
        XmlConverter().open_tables(Source(path, path.name))
