"""`--extras`: what hangs on cells and paragraphs, as tables beside the others (rows D27, D34)."""

from __future__ import annotations

import io
from pathlib import Path

import docx
import openpyxl
import pyarrow.parquet as pq
import pytest
from openpyxl.comments import Comment

from kmflow_orchestration.errors import CorruptInput, InvalidOptions
from kmflow_orchestration.operations.convert.convert_file import Conversion, convert_file
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.verify_output import verify_output
from kmflow_orchestration_tests.converters.archives.bundles import zipped
from kmflow_orchestration_tests.converters.documents.office_samples import changed
from kmflow_orchestration_tests.converters.documents.page_samples import pdf
from kmflow_orchestration_tests.converters.open_document_samples import ods_cell, open_document


def _workbook(*, rows: int = 3) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Loans"
    sheet.append(["id", "source"])
    for number in range(rows):
        sheet.append([number, f"file {number}"])
    sheet["B2"].hyperlink = "https://example.org/a?b=1&c=2"
    sheet["B3"].hyperlink = "#Other!A1"
    sheet["A2"].comment = Comment("checked twice\nsays audit", "Internal audit")
    other = book.create_sheet("Other")
    other.append(["note"])
    other.append(["x"])
    hidden = book.create_sheet("Hidden")
    hidden.append(["n"])
    hidden.append([1])
    hidden["A1"].comment = Comment("nobody sees it", "Internal audit")
    hidden.sheet_state = "hidden"
    found = io.BytesIO()
    book.save(found)
    return found.getvalue()


def _converted(folder: Path, name: str, content: bytes, **how: object) -> Conversion:
    path = folder / name
    path.write_bytes(content)
    options = conversion_options({"force": True, **how})
    return convert_file(path, f"{folder}/out/", options)


def _table(done: Conversion, name: str) -> list[dict[str, object]]:
    return pq.read_table(next(one for one in done.outputs if one.name == name)).to_pylist()


def test_links_and_comments_of_a_workbook_are_a_table_beside(tmp_path: Path) -> None:
    done = _converted(tmp_path, "book.xlsx", _workbook(), extras=True)

    found = _table(done, "book_extras.parquet")
    told = [tuple(row.values()) for row in found]
    assert told == [
        ("Loans", "B2", 2, 2, "hyperlink", "https://example.org/a?b=1&c=2", None, None, None),
        ("Loans", "B3", 3, 2, "hyperlink", "#Other!A1", None, None, None),
        ("Loans", "A2", 2, 1, "comment", None, "checked twice\nsays audit", "Internal audit", None),
        ("Hidden", "A1", 1, 1, "comment", None, "nobody sees it", "Internal audit", None),
    ]
    assert done.missed == ()
    assert verify_output(done.manifest_path).is_equal
    without = _converted(tmp_path, "book.xlsx", _workbook())
    assert not [one for one in without.outputs if "extras" in one.name]


def test_extras_come_whichever_sheets_are_chosen_and_none_of_hidden_ones(tmp_path: Path) -> None:
    content = _workbook()

    seen = _converted(tmp_path, "book.xlsx", content, extras=True, include_hidden=False)
    assert {row["sheet"] for row in _table(seen, "book_extras.parquet")} == {"Loans"}

    chosen = _converted(tmp_path, "book.xlsx", content, extras=True, sheet=("Other",))
    assert {one.name for one in chosen.outputs} == {"book_Other.parquet", "book_extras.parquet"}


def test_a_sheet_may_have_the_name_of_the_extras(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].title = "extras"
    book.worksheets[0].append(["id"])
    book.worksheets[0].append([1])
    found = io.BytesIO()
    book.save(found)

    done = _converted(tmp_path, "book.xlsx", found.getvalue(), extras=True)

    assert {one.part for one in done.manifest.outputs} == {"extras", ":extras"}


def test_threaded_comments_are_told_once_with_who_and_when(tmp_path: Path) -> None:
    namespace = "http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments"
    kind = "http://schemas.microsoft.com/office/2017/10/relationships"
    threads = (
        f'<ThreadedComments xmlns="{namespace}"><threadedComment ref="A2" personId="{{P}}" '
        'dT="2026-11-30T10:00:00.00" id="{1}"><text>why?</text></threadedComment>'
        '<threadedComment ref="A2" personId="{P}" dT="2026-11-30T11:00:00.00" id="{2}" '
        'parentId="{1}"><text>it is late</text></threadedComment></ThreadedComments>'
    )
    people = (
        f'<personList xmlns="{namespace}"><person displayName="Audit" id="{{P}}"/></personList>'
    )
    content = _workbook()
    sheet = "xl/worksheets/_rels/sheet1.xml.rels"
    book = "xl/_rels/workbook.xml.rels"
    content = changed(
        content,
        {
            "xl/threadedComments/threadedComment1.xml": threads.encode(),
            "xl/persons/person.xml": people.encode(),
            sheet: _related(
                content,
                sheet,
                f"{kind}/threadedComment",
                "/xl/threadedComments/threadedComment1.xml",
            ),
            book: _related(content, book, f"{kind}/person", "/xl/persons/person.xml"),
        },
    )

    rows = _table(_converted(tmp_path, "book.xlsx", content, extras=True), "book_extras.parquet")

    told = [(row["text"], row["author"], row["created"]) for row in rows if row["cell"] == "A2"]
    assert told == [
        ("why?", "Audit", "2026-11-30T10:00:00.00"),
        ("it is late", "Audit", "2026-11-30T11:00:00.00"),
    ]


def _related(content: bytes, part: str, kind: str, target: str) -> bytes:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        relations = archive.read(part).decode()
    more = f'<Relationship Id="rIdMore" Type="{kind}" Target="{target}"/>'
    return relations.replace("</Relationships>", f"{more}</Relationships>").encode()


_OPEN_ROWS = (
    "<table:table-header-rows><table:table-row>"
    + ods_cell("id")
    + ods_cell("source")
    + "</table:table-row></table:table-header-rows>"
    '<table:table-row table:number-rows-repeated="2">'
    + ods_cell("1")
    + ods_cell("same")
    + "</table:table-row><table:table-row>"
    '<table:table-cell table:number-columns-repeated="2"/>'
    '<table:table-cell office:value-type="string"><office:annotation>'
    "<dc:creator>Internal audit</dc:creator><dc:date>2026-11-30T10:00:00</dc:date>"
    '<text:p>checked<text:s text:c="2"/>twice</text:p><text:p>says audit</text:p>'
    "</office:annotation><text:p>see "
    '<text:a xlink:href="https://example.org/a?b=1&amp;c=2">the file</text:a></text:p>'
    "</table:table-cell></table:table-row>"
)


def test_links_and_comments_of_an_open_document_are_the_same_table(tmp_path: Path) -> None:
    sheets = (
        f'<table:table table:name="{name}">{_OPEN_ROWS}</table:table>'
        for name in ("Loans", "Other")
    )

    content = open_document(*sheets)
    done = _converted(tmp_path, "loans.ods", content, extras=True)

    told = [tuple(row.values()) for row in _table(done, "loans_extras.parquet")]
    cell = ("C4", 4, 3)
    text, author = "checked  twice\nsays audit", "Internal audit"
    assert told == [
        (sheet, *cell, *extra)
        for sheet in ("Loans", "Other")
        for extra in (
            ("comment", None, text, author, "2026-11-30T10:00:00"),
            ("hyperlink", "https://example.org/a?b=1&c=2", "the file", None, None),
        )
    ]
    assert not [text for text in done.missed if "comments" in text]


def test_extras_of_other_workbooks_are_told_as_missing(tmp_path: Path) -> None:
    name = "days_from_1904.xls"
    content = Path("kmflow_orchestration_tests/converters/workbooks", name).resolve().read_bytes()

    done = _converted(tmp_path, name, content, extras=True)

    assert ["links and comments" in text for text in done.missed] == [True]


def test_a_damaged_list_of_comments_is_corrupt_only_if_it_is_wanted(tmp_path: Path) -> None:
    content = changed(_workbook(), {"xl/comments/comment1.xml": b"<comments><open>"})

    assert _converted(tmp_path, "book.xlsx", content).missed == ()
    with pytest.raises(CorruptInput, match="comment1"):
        _converted(tmp_path, "book.xlsx", content, extras=True)


def test_comments_of_a_word_document_are_a_table(tmp_path: Path) -> None:
    document = docx.Document()
    run = document.add_paragraph("Approve the loan").runs[0]
    document.add_comment(run, text="by whom?", author="Internal audit", initials="IA")
    document.core_properties.category = "Procedure"
    document.core_properties.comments = "second draft"
    found = io.BytesIO()
    document.save(found)

    done = _converted(tmp_path, "memo.docx", found.getvalue(), extras=True)

    (comment,) = _table(done, "comments.parquet")
    created = comment.pop("created")
    assert comment == {"seq": 1, "author": "Internal audit", "initials": "IA", "text": "by whom?"}
    assert str(created).startswith("20")
    (about,) = _table(done, "documents.parquet")
    assert '"category": "Procedure"' in str(about["properties"])
    assert '"comments": "second draft"' in str(about["properties"])
    without = _converted(tmp_path, "memo.docx", found.getvalue())
    assert "comments.parquet" not in {one.name for one in without.outputs}


def test_extras_reach_the_files_of_an_archive_and_mean_nothing_to_others(tmp_path: Path) -> None:
    done = _converted(tmp_path, "all.zip", zipped({"book.xlsx": _workbook()}), extras=True)

    assert "book.xlsx [extras]" in {one.part for one in done.manifest.outputs}
    with pytest.raises(InvalidOptions, match="extras"):
        _converted(tmp_path, "a.pdf", pdf(), extras=True)
