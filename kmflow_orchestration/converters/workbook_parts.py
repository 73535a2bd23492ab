"""A workbook of Office Open XML in which one sheet says something else.

What a cell's bytes mean (its style's format, its entities, the calendar) stays the reader's to say:
it is asked about a few cells, in a workbook that is otherwise the same.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from typing import Any

# All that the reader opens of a workbook besides its sheets and texts.
_NEEDED = ("[content_types].xml", ".rels", "workbook.xml", "styles.xml")
_TEXTS = "sharedstrings.xml"
_MOST_BYTES = 8 << 20


class WorkbookParts:
    """The parts that decide what the cells of a sheet are; `member` is that sheet."""

    def __init__(self, archive: zipfile.ZipFile, member: str) -> None:
        """Raises KeyError for parts beyond measure."""
        self._member = member
        self._parts: dict[str, bytes] = {}
        self._archive = archive
        self._texts = ""
        for one in archive.infolist():
            name = one.filename.lower()
            if name.endswith(_TEXTS):
                self._texts = one.filename
            elif name.endswith(_NEEDED) and "/worksheets/" not in name:
                if one.file_size > _MOST_BYTES:
                    raise KeyError(one.filename)
                self._parts[one.filename] = archive.read(one)

    def sheet(self, content: bytes, name: str, *, with_texts: bool = False) -> Any:
        """The reader's sheet of this name, were `content` its XML. Raises what the reader does."""
        import python_calamine as calamine

        parts = {**self._parts, self._member: content}
        if with_texts and self._texts:
            parts[self._texts] = self._archive.read(self._texts)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for one, held in parts.items():
                archive.writestr(one, held)
        packed.seek(0)
        return calamine.CalamineWorkbook.from_filelike(packed).get_sheet_by_name(name)

    def cells(
        self, head: bytes, cells: Iterable[bytes], name: str, *, with_texts: bool = False
    ) -> list[Any]:
        """What the reader makes of cells, each without its `<c r="A1"`.

        `head` is a sheet up to its rows.
        """
        rows = [
            b'<row r="%d"><c r="A%d"%s</row>' % (at, at, cell)
            for at, cell in enumerate(cells, start=1)
        ]
        content = b"".join((head, *rows, b"</sheetData></worksheet>"))
        sheet = self.sheet(content, name, with_texts=with_texts)
        found = [row[0] if row else "" for row in sheet.to_python(skip_empty_area=False)]
        return found + [""] * (len(rows) - len(found))

    @property
    def text_count(self) -> int:
        """How many texts the cells share."""
        if not self._texts:
            return 0
        content = self._archive.read(self._texts)
        return sum(content.count(begin) for begin in (b"<si>", b"<si ", b"<si/>"))
