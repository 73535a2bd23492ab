"""Whether a file is sound, as plain values; apart from what has to be loaded to find out."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Validity:
    """Whether a file can be read; `code` and `message` say why not.

    `encoding` is that of its text, if it was asked for and there is one.
    """

    file: str
    is_valid: bool
    converter: str = ""
    rows: int = 0
    code: str = ""
    message: str = ""
    hint: str = field(default="", compare=False)
    encoding: str = ""
