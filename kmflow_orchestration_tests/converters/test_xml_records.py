from __future__ import annotations

import bz2
import gzip
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.converters.gathered_table import GatheredTable
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.converters.xml_records import XmlConverter
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values, rows, types

Opens = Callable[..., list[GatheredTable]]
LOANS = """<?xml version="1.0" encoding="utf-8"?>
<loans>
  <loan id="1">
    <amount cur="EUR">1.50</amount><due>2026-11-20</due>
    <who><name>Müller &amp; Co</name><home><zip>05</zip></home></who>
    <pay>1</pay><pay>2.5</pay>
  </loan>
  <loan id="2"><amount/><who><name></name></who><pay>3</pay></loan>
</loans>
"""


@pytest.fixture
def opened(source: Writes) -> Opens:
    def open_xml(content: str | bytes, name: str = "loans.xml", **options: Any) -> Any:
        return XmlConverter().open_tables(source(content, name), options)

    return open_xml


def headers(table: GatheredTable) -> list[str]:
    return [fact.source_name for fact in table.facts]


def codes(table: GatheredTable) -> list[str]:
    return [warning.code for warning in table.warnings]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (LOANS.encode(), "loans.xml"),
        (LOANS.encode("utf-8-sig"), "loans.xml"),
        (LOANS.replace("utf-8", "utf-16").encode("utf-16"), "loans.xml"),
        (LOANS.replace("utf-8", "cp1252").encode("cp1252"), "loans.xml"),
        (gzip.compress(LOANS.encode()), "loans.xml.gz"),
        (bz2.compress(LOANS.encode()), "loans.xml.bz2"),
        (pa.compress(LOANS.encode(), "zstd", asbytes=True), "loans.xml.zst"),
    ],
)
def test_elements_that_repeat_are_tables(opened: Opens, content: bytes, name: str) -> None:
    loans, pays = opened(content, name)

    assert (loans.part, headers(loans)) == (
        "loan",
        ["_id", "@id", "amount@cur", "amount", "due", "who_name", "who_home_zip"],
    )
    assert types(loans) == {
        "_id": "BIGINT",
        "id": "BIGINT",
        "amount_cur": "STRING",
        "amount": "DECIMAL(18,2)",
        "due": "DATE",
        "who_name": "STRING",
        "who_home_zip": "STRING",
    }
    assert rows(loans) == [
        (1, 1, "EUR", Decimal("1.50"), date(2026, 11, 20), "Müller & Co", "05"),
        (2, 2, None, None, None, "", None),
    ]
    assert (pays.part, rows(pays)) == (
        "loan.pay",
        [(1, 1, Decimal("1.0")), (2, 1, Decimal("2.5")), (3, 2, Decimal("3.0"))],
    )
    assert [table.receipt.adds_up for table in (loans, pays)] == [True, True]
    assert rows(loans) == rows(loans)


def test_an_empty_element_is_empty_text_where_the_column_is_text(opened: Opens) -> None:
    (table,) = opened("<r><x><n/><t/></x><x><n>5</n><t>a</t></x><x/></r>")

    assert rows(table) == [(1, None, "", None), (2, 5, "a", None), (3, None, None, "")]
    assert [fact.null_count for fact in table.facts] == [0, 2, 1, 2]
    assert rows(table, dict.fromkeys(types(table), STRING))[0] == ("1", "", "", None)


def test_a_root_with_values_of_its_own_is_a_row(opened: Opens) -> None:
    root, item = opened('<list made="2026-11-20"><item>a</item><item>b</item></list>')

    assert (root.part, headers(root), rows(root)) == (
        "",
        ["_id", "@made"],
        [(1, date(2026, 11, 20))],
    )
    assert (headers(item), rows(item)) == (
        ["_id", "_parent_id", "#text"],
        [(1, 1, "a"), (2, 1, "b")],
    )


def test_the_text_of_mixed_elements_is_kept_in_order(opened: Opens) -> None:
    (table,) = opened("<note>Dear <b>Ana</b>, see <![CDATA[<5>]]><i>you</i>.</note>")

    assert dict(zip(headers(table), rows(table)[0], strict=True)) == {
        "_id": 1,
        "b": "Ana",
        "i": "you",
        "#text": "Dear , see <5>.",
    }


def test_comments_are_left_out_and_counted(opened: Opens) -> None:
    (table,) = opened("<a><!-- x --><?go now?><b>1</b></a>")

    assert (codes(table), table.warnings[0].message[:2]) == (["asides"], "2 ")


def test_several_documents_in_one_file_are_numbered(opened: Opens) -> None:
    (table,) = opened('<a><b>1</b><b>2</b></a>\n<?xml version="1.0"?>\n<a><b>3</b></a>')

    assert headers(table) == ["_id", "_document_id", "_document_index", "#text"]
    assert rows(table) == [(1, 1, 0, 1), (2, 1, 0, 2), (3, 2, 1, 3)]


@pytest.mark.parametrize(
    ("handling", "expected"),
    [
        ("strip", ["_id", "@k", "b", "b"]),
        ("prefix", ["_id", "@p_k", "b", "p_b"]),
        ("preserve", ["_id", "@{urn:v}k", "{urn:u}b", "{urn:v}b"]),
    ],
)
def test_names_of_namespaces_are_told_as_asked(
    opened: Opens, handling: str, expected: list[str]
) -> None:
    content = '<a xmlns="urn:u" xmlns:p="urn:v" p:k="0"><b>1</b><p:b>2</p:b></a>'
    (table,) = opened(content, namespace_handling=handling)

    assert (headers(table), rows(table)) == (expected, [(1, 0, 1, 2)])


def test_a_prefix_without_a_namespace_is_part_of_the_name(opened: Opens) -> None:
    (table,) = opened("<x:a><x:b>1</x:b></x:a>")

    assert (headers(table), codes(table)) == (["_id", "b"], ["unbound_prefix"])


def test_keys_named_as_ours_clash_with_nothing(opened: Opens) -> None:
    (table,) = opened("<a><_id>7</_id><_source_row>8</_source_row><group_id>x</group_id></a>")

    assert all_values(table) == [
        {
            "_source_row": 1,
            "_id": 1,
            "id": 7,
            "source_row": 8,
            "group_id_2": "x",
            "_rescued_data": None,
        }
    ]


def test_entities_of_the_file_itself_are_read(opened: Opens) -> None:
    (table,) = opened("<!DOCTYPE a [<!ENTITY e 'hi'>]><a b='&e;'>z&e;</a>")

    assert rows(table) == [(1, "hi", "zhi")]


def test_an_encoding_of_many_bytes_a_character_is_read(opened: Opens) -> None:
    (table,) = opened("<?xml version='1.0' encoding='gbk'?><a>中文</a>".encode("gbk"))

    assert rows(table) == [(1, "中文")]


BOMB = (
    "<!DOCTYPE a [<!ENTITY l0 'lolololololol'>"
    + "".join(f"<!ENTITY l{at} '{f'&l{at - 1};' * 10}'>" for at in range(1, 10))
    + "]>"
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BOMB + "<a>&l9;</a>", "xml_entities"),
        (BOMB + "<a b='&l9;'/>", "xml_entities"),
        ("<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>", "xml_entities"),
        ("<!DOCTYPE a SYSTEM 'http://localhost:1/x.dtd'><a>&e;</a>", "xml_entities"),
        ("<!DOCTYPE a SYSTEM 'x.dtd'><a b='&e;'/>", "xml_entities"),
        ("<a>" * 201 + "</a>" * 201, "too_large_inside"),
        ("<a>" + "".join(f"<b{at}/>" for at in range(16_385)) + "</a>", "too_large_inside"),
    ],
    ids=["text bomb", "attribute bomb", "file", "dtd", "attribute", "depth", "columns"],
)
def test_hostile_documents_are_refused_with_a_code(
    opened: Opens, content: str, reason: str
) -> None:
    with pytest.raises(CorruptInput) as error:
        opened(content)

    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "line 1, column 1"),
        (b"Dear all", "line 1, column 1"),
        (b"<a>\n<b></a>", "line 2, column 6"),
        (b"<a>1</a>\n</a>", "line 2, column 2"),
        (b"<a>\n<b></a>\n<c>1</c>", "line 2, column 6"),
        (b"<?xml version='1.0'?><a>\n<b></a>\n<?xml version='1.0'?></a>", "line 2, column 6"),
        (b"<a>1</a>\nmore", "line 2, column 1"),
        (b"<a>\xff</a>", "line 1, column 4"),
        (b"<?xml version='1.0' encoding='klingon'?><a/>", "klingon"),
        (b"<?xml version='1.0' encoding='gbk'?><a>\xff\xff</a>", "gbk"),
        (b"<?xml version='1.0' encoding='hex'?><a/>", "hex"),
        (LOANS.encode()[:200], "line 6"),
    ],
)
def test_what_is_not_well_formed_is_refused_with_its_place(
    opened: Opens, content: bytes, told: str
) -> None:
    with pytest.raises(CorruptInput, match=told):
        opened(content)


def test_a_truncated_gzip_is_corrupt(opened: Opens) -> None:
    with pytest.raises(CorruptInput):
        opened(gzip.compress(LOANS.encode())[:-20], "loans.xml.gz")


@pytest.mark.parametrize("options", [{"namespaces": "x"}, {"namespace_handling": "x"}])
def test_unknown_options_are_refused(opened: Opens, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        opened("<a/>", **options)


def test_a_text_longer_than_what_is_read_at_once_comes_whole(opened: Opens) -> None:
    long = "x" * (3 << 20)
    (table,) = opened(f"<a><b>{long}</b></a>")

    assert rows(table) == [(1, long)]


@dataclass
class Node:
    tag: str
    attributes: dict[str, str]
    content: list[Node | str]

    def xml(self) -> str:
        inner = "".join(one.xml() if isinstance(one, Node) else escape(one) for one in self.content)
        given = "".join(f" {key}={quoteattr(value)}" for key, value in self.attributes.items())
        return f"<{self.tag}{given}>{inner}</{self.tag}>"

    def values(self) -> Iterator[str]:
        """What the element and those below it say, as this test understands XML."""
        yield from self.attributes.values()
        below = [one for one in self.content if isinstance(one, Node)]
        text = "".join(one if isinstance(one, str) else "\0" for one in self.content)
        if below:
            text = "".join(run for run in text.split("\0") if run and not run.isspace())
        if text or not (below or self.attributes):
            yield text
        for one in below:
            yield from one.values()


tags = st.sampled_from(["a", "b", "c-d", "e_f", "_id"])
texts = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"
    ),
    max_size=5,
)


def nodes(content: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[Node]:
    return st.builds(Node, tags, st.dictionaries(tags, texts, max_size=2), content)


trees = st.recursive(
    nodes(st.lists(texts, max_size=1)),
    lambda inner: nodes(st.lists(inner | texts, max_size=4)),
    max_leaves=12,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=trees, encoding=st.sampled_from(["utf-8", "utf-16"]))
def test_of_any_tree_as_many_values_come_out_as_went_in(
    tmp_path: Path, tree: Node, encoding: str
) -> None:
    path = tmp_path / "any.xml"
    path.write_bytes(tree.xml().encode(encoding))
    tables = XmlConverter().open_tables(Source(path, "any.xml"))

    found = Counter(
        value
        for table in tables
        for row in all_values(table, dict.fromkeys(types(table), STRING))
        for name, value in row.items()
        if value is not None and name not in ("_id", "_parent_id", "_source_row")
    )
    assert found == Counter(tree.values())
    assert all(table.receipt.adds_up for table in tables)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, len(LOANS.encode()) - 1), byte=st.integers(0, 255))
def test_one_wrong_byte_is_refused_or_read_to_the_end(tmp_path: Path, at: int, byte: int) -> None:
    content = bytearray(LOANS.encode())
    content[at] = byte
    path = tmp_path / "any.xml"
    path.write_bytes(content)
    try:
        tables = XmlConverter().open_tables(Source(path, "any.xml"))
    except CorruptInput:
        return
    for table in tables:
        assert table.receipt.adds_up
        assert len(rows(table)) == table.receipt.rows_written
