"""Columns and facts of CREATE TABLE and ADD COLUMNS, as Databricks would accept them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlglot import exp

from kmflow_orchestration.names import TableName
from kmflow_orchestration.sail.tables import Column
from kmflow_orchestration.sail.types import delta_json
from kmflow_orchestration.workspace.sql_errors import SqlError
from kmflow_orchestration.workspace.sql_plans import ForeignKey, TableFacts
from kmflow_orchestration.workspace.sql_tables import unsupported

_TYPE = exp.DataType.Type
_STORABLE = frozenset(
    {
        *(_TYPE.TEXT, _TYPE.VARCHAR, _TYPE.CHAR, _TYPE.BINARY, _TYPE.BOOLEAN),
        *(_TYPE.BIGINT, _TYPE.INT, _TYPE.SMALLINT, _TYPE.TINYINT),
        *(_TYPE.DOUBLE, _TYPE.FLOAT, _TYPE.DECIMAL),
        *(_TYPE.DATE, _TYPE.TIMESTAMP, _TYPE.TIMESTAMPTZ, _TYPE.TIMESTAMPLTZ, _TYPE.TIMESTAMPNTZ),
        *(_TYPE.ARRAY, _TYPE.MAP, _TYPE.STRUCT),
    }
)
_BAD_IN_NAMES = frozenset(" ,;{}()\n\t=")


def typed_columns(tree: exp.Expression) -> tuple[Column, ...]:
    """Columns a statement defines. Raises SqlError for names or types Databricks refuses."""
    columns = tuple(_column(definition) for definition in tree.find_all(exp.ColumnDef))
    if not columns:
        raise unsupported("A table without columns")
    check_names([column.name for column in columns])
    return columns


def check_names(names: Sequence[str]) -> None:
    """Refuse what a Delta table without column mapping refuses. Raises SqlError."""
    bad = [name for name in names if not name or _BAD_IN_NAMES & set(name)]
    if bad:
        listed = ", ".join(f"`{name}`" for name in bad)
        raise SqlError(
            "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES",
            "Found invalid character(s) among ' ,;{}()\\n\\t=' in the column names of your schema."
            f" Invalid column names: {listed}. Please use other characters and try again."
            " Alternatively, enable Column Mapping to keep using these characters.",
        )
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise SqlError("COLUMN_ALREADY_EXISTS", f"The column `{name.lower()}` already exists.")
        seen.add(name.lower())


Keys = tuple[ForeignKey, ...]


def check_clustering(facts: TableFacts, names: Sequence[str]) -> None:
    """Refuse keys and clustering over columns the table has not. Raises SqlError."""
    known = {name.lower() for name in names}
    own = (name for key in facts.foreign_keys for name in key.columns)
    for name in (*facts.cluster_by, *facts.primary_key, *own):
        if name.lower() not in known:
            listed = ", ".join(names)
            raise SqlError(
                "DELTA_COLUMN_NOT_FOUND_IN_SCHEMA",
                f"Unable to find the column '{name}' given [{listed}].",
            )


def table_facts(tree: exp.Expression) -> TableFacts:
    """What a CREATE TABLE says beside its columns. Raises SqlError."""
    comment = ""
    cluster_by: tuple[str, ...] = ()
    properties: list[tuple[str, str]] = []
    for item in _properties(tree):
        match item:
            case exp.SchemaCommentProperty():
                comment = item.name
            case exp.ClusterProperty():
                cluster_by = _names(item.expressions)
            case exp.Property() if type(item) is exp.Property:
                properties.append((item.name, item.args["value"].name))
            case exp.FileFormatProperty() if item.name.lower() == "delta":
                pass
            case exp.LocationProperty():
                raise _location_refused(item.name)
            case _:
                raise unsupported(f"The clause {item.sql('databricks')}")
    constraint, primary_key = _primary_key(tree)
    return TableFacts(
        comment=comment,
        primary_key=primary_key,
        constraint=constraint,
        cluster_by=cluster_by,
        properties=tuple(properties),
    )


def _properties(tree: exp.Expression) -> Iterable[exp.Expression]:
    properties = tree.args.get("properties")
    return properties.expressions if properties is not None else ()


def _location_refused(location: str) -> SqlError:
    # Volumes hold files, never tables; any other place is the host's.
    if location.startswith(("/Volumes/", "dbfs:/Volumes/")):
        return unsupported(f"A table in a Volume ('{location}')")
    return SqlError(
        "INSUFFICIENT_PERMISSIONS",
        "Insufficient privileges:\nUser does not have CREATE EXTERNAL TABLE on External Location"
        f" '{location}'.",
    )


def foreign_keys(tree: exp.Expression, name_of: Callable[[exp.Table], TableName]) -> Keys:
    """References to other tables; `name_of` finds their full names. Raises SqlError."""
    return tuple(_foreign_key(key, name_of) for key in tree.find_all(exp.ForeignKey))


def _foreign_key(key: exp.ForeignKey, name_of: Callable[[exp.Table], TableName]) -> ForeignKey:
    reference = key.args.get("reference")
    referred = reference.this if reference is not None else None
    if not isinstance(referred, exp.Schema) or not isinstance(referred.this, exp.Table):
        raise unsupported("A foreign key without the columns it refers to")
    named = key.parent if isinstance(key.parent, exp.Constraint) else None
    table = name_of(referred.this)
    columns, theirs = _names(key.expressions), _names(referred.expressions)
    name = named.name if named is not None else f"{table.name}_{'_'.join(columns)}_fk"
    return ForeignKey(name, columns, table, theirs)


def _primary_key(tree: exp.Expression) -> tuple[str, tuple[str, ...]]:
    for constraint in tree.find_all(exp.Constraint):
        for key in constraint.find_all(exp.PrimaryKey):
            return constraint.name, _names(key.expressions)
        if constraint.find(exp.ForeignKey) is None:
            raise unsupported(f"The constraint {constraint.sql('databricks')}")
    for key in tree.find_all(exp.PrimaryKey):
        return "", _names(key.expressions)
    for definition in tree.find_all(exp.ColumnDef):
        if definition.find(exp.PrimaryKeyColumnConstraint):
            return "", (definition.name,)
    return "", ()


def _names(items: Iterable[exp.Expression]) -> tuple[str, ...]:
    return tuple(item.name for item in items)


def _column(definition: exp.ColumnDef) -> Column:
    nullable, comment = True, ""
    for constraint in definition.args.get("constraints") or ():
        match constraint.kind:
            case exp.NotNullColumnConstraint() as rule:
                nullable = bool(rule.args.get("allow_null"))
            case exp.CommentColumnConstraint() as rule:
                comment = rule.name
            case exp.PrimaryKeyColumnConstraint():
                nullable = False
            case _:
                raise unsupported(f"The column clause {constraint.sql('databricks')}")
    if definition.kind is None:
        raise SqlError(
            "PARSE_SYNTAX_ERROR", f"Syntax error: column `{definition.name}` has no type."
        )
    kind = definition.kind.sql("databricks")
    refused = SqlError("UNSUPPORTED_DATATYPE", f'Unsupported data type "{definition.kind}".')
    if any(part.this not in _STORABLE for part in definition.kind.find_all(exp.DataType)):
        raise refused  # sqlglot would write UUID, JSON and others as STRING
    try:
        delta_json(kind)
    except ValueError as error:
        raise refused from error
    return Column(definition.name, kind, nullable, comment)
