"""What kind of value a task returned; kept beside the file, because no format but JSON tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal, get_args

from kmflow_orchestration.outputs.tables import is_table

Kind = Literal["table", "mapping", "records", "rows", "values", "text", "scalar", "other"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a reader needs besides the bytes to give back the value that was written."""

    kind: Kind
    library: str = ""
    """Of a table: `pandas` or `arrow`."""
    schema: str = ""
    """Of a table: its Arrow schema in base64."""

    def to_json(self) -> dict[str, str]:
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Shape:
        """Raises ValueError for what `to_json` never gives."""
        if values.get("kind") not in get_args(Kind):
            raise ValueError(f"no kind of output: {values.get('kind')!r}")
        return cls(**values)


def kind_of(value: Any) -> Kind:
    """The kind of a value: a list counts as records, rows or values if all of it is of one kind."""
    if is_table(value):
        return "table"
    if isinstance(value, Mapping):
        return "mapping"
    if isinstance(value, str):
        return "text"
    if is_scalar(value):
        return "scalar"
    if isinstance(value, list | tuple):
        return _kind_of_list(value)
    return "other"


def is_scalar(value: Any) -> bool:
    """Whether a value is one cell; text is, too."""
    value = plain(value)
    return value is None or isinstance(value, str | bool | int | float | date)


def _kind_of_list(value: list[Any] | tuple[Any, ...]) -> Kind:
    if all(map(is_scalar, value)):
        return "values"
    if all(isinstance(one, Mapping) for one in value):
        return "records"
    if all(isinstance(one, list | tuple) for one in value):
        return "rows"
    return "other"


def plain(value: Any) -> Any:
    """NumPy's single numbers as Python's; everything else as it is."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return value.item()
    return value
