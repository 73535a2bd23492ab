"""The last line of defence of row A4: a statement about no group is never sent."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import BinaryExpression, BindParameter, Connection, Engine, Null, event
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler

from kmflow_orchestration.errors import MissingGroup

_COLUMN = "group_id"
# Compiled statements are cached and used again; what was found in one stays true for it.
_found: WeakKeyDictionary[SQLCompiler, frozenset[str] | None] = WeakKeyDictionary()


def refuse_missing_group(engine: Engine) -> None:
    """Make every statement whose group is None, empty or blank fail before it is sent.

    Repositories take the group as their first argument, but a caller may still pass ''. This is
    the one place that all of their statements go through.
    """
    event.listen(engine, "before_cursor_execute", _check)


def _check(
    _connection: Connection,
    _cursor: Any,
    _statement: str,
    _parameters: Any,
    context: Any,
    _many: bool,
) -> None:
    compiled = getattr(context, "compiled", None)
    if not isinstance(compiled, SQLCompiler):
        return
    if compiled not in _found:
        _found[compiled] = _group_parameters(compiled)
    names = _found[compiled]
    if names is None:
        raise _missing()
    for row in context.compiled_parameters:
        if any(_is_missing(row[name]) for name in names if name in row):
            raise _missing()


def _group_parameters(compiled: SQLCompiler) -> frozenset[str] | None:
    """Parameters that hold a group; None when a condition asks for rows without one."""
    names = {
        name
        for name in compiled.bind_names.values()
        if name == _COLUMN or name.startswith(f"{_COLUMN}_")
    }
    for part in visitors.iterate(compiled.statement) if compiled.statement is not None else ():
        if isinstance(part, BinaryExpression) and getattr(part.left, "name", "") == _COLUMN:
            if isinstance(part.right, Null):
                return None
            if isinstance(part.right, BindParameter):
                names.add(compiled.bind_names.get(part.right, part.right.key))
    return frozenset(names)


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _missing() -> MissingGroup:
    return MissingGroup("a group id is required", hint="pass the id of the group")
