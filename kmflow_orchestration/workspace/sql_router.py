"""From the text of a statement to a plan: read, classified, its tables checked and renamed.

sqlglot only reads; what runs is the caller's own text with names replaced at the places sqlglot
found. A statement of a sort not named here is refused, never passed on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sqlglot import exp, parse
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from kmflow_orchestration.sail.tables import Column
from kmflow_orchestration.workspace.catalog_store import CatalogStore
from kmflow_orchestration.workspace.securables import Securable
from kmflow_orchestration.workspace.sql_catalog_syntax import read_catalog_statement
from kmflow_orchestration.workspace.sql_create_table import (
    foreign_keys,
    table_facts,
    typed_columns,
)
from kmflow_orchestration.workspace.sql_errors import SqlError
from kmflow_orchestration.workspace.sql_maintenance import Maintenance, read_maintenance
from kmflow_orchestration.workspace.sql_plans import (
    AddColumns,
    Change,
    CreateTable,
    DescribeTable,
    Insertion,
    Plan,
    Query,
    SetProperties,
)
from kmflow_orchestration.workspace.sql_tables import (
    References,
    Scope,
    TableResolver,
    unsupported,
)
from kmflow_orchestration.workspace.sql_text import (
    DIALECT,
    Parameter,
    canonical,
    syntax_error,
    tokens_of,
)

_SOURCE_STARTS = frozenset(
    {TokenType.SELECT, TokenType.WITH, TokenType.VALUES, TokenType.FROM, TokenType.TABLE}
)
# sqlglot warns about each statement it keeps unread; we refuse those ourselves.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


def route(
    text: str, parameters: Sequence[Parameter], *, catalog: CatalogStore, scope: Scope
) -> Plan:
    """The plan of one statement for one caller.

    Raises:
        SqlError: it cannot be read, is of an unsupported sort, names what is not there or what the
            caller may not use.
    """
    statement = canonical(text, parameters)
    known = read_catalog_statement(statement)
    if known is not None:
        return known
    care = read_maintenance(statement)
    if care is not None:
        return Maintenance(care, TableResolver(catalog, scope).known(care.name, care.privileges))
    tree = _parsed(statement)
    reader = _READERS.get(type(tree))
    if reader is None:
        if isinstance(tree, exp.Query | exp.Values):
            reader = _query
        else:
            raise unsupported(f"The statement {_first_words(statement)}")
    _refuse_constructs(tree)
    return reader(_Statement(statement, tree, TableResolver(catalog, scope)))


class _Statement:
    """One parsed statement while its plan is made."""

    def __init__(self, text: str, tree: exp.Expression, resolver: TableResolver) -> None:
        self.text = text
        self.tree = tree
        self.resolver = resolver
        self.references = References()

    def read(self, tree: exp.Expression | None = None, target: exp.Table | None = None) -> None:
        self.resolver.read(tree or self.tree, self.references, target)

    def render(self, start: int = 0, end: int | None = None) -> str:
        return self.references.render(self.text, start, end)

    def tables(self) -> tuple[Securable, ...]:
        return tuple(self.references.tables.values())


def _parsed(statement: str) -> exp.Expression:
    try:
        trees = parse(statement, dialect=DIALECT)
    except SqlglotError as error:
        raise syntax_error(str(error).splitlines()[0]) from error
    except RecursionError as error:
        raise SqlError("PARSE_SYNTAX_ERROR", "The statement is nested too deeply.") from error
    if len(trees) != 1 or trees[0] is None:
        raise syntax_error("One statement at a time.", ";")
    return trees[0]


def _refuse_constructs(tree: exp.Expression) -> None:
    for kind, what in _REFUSED_CONSTRUCTS.items():
        if tree.find(kind) is not None:
            raise unsupported(what)
    for inner in tree.find_all(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop):
        # The branches of a MERGE are such statements too; others would escape the check for MODIFY.
        if inner is not tree and not isinstance(inner.parent, exp.When):
            raise unsupported("A change inside another statement")


# Sail would run, or try to run, each of these.
_REFUSED_CONSTRUCTS: Mapping[type[exp.Expression], str] = {
    exp.QueryTransform: "TRANSFORM",
    exp.Command: "A statement inside a statement",
    exp.Into: "SELECT INTO",
    exp.Placeholder: "A parameter marker without a value",
}


def _query(statement: _Statement) -> Plan:
    statement.read()
    return Query(statement.render(), statement.tables())


def _describe(statement: _Statement) -> Plan:
    table = statement.tree.this
    words = [word.upper() for word in statement.text.split()[:3]]
    extended = "EXTENDED" in words[1 : 3 if "TABLE" in words[1:2] else 2]
    if not isinstance(table, exp.Table) or statement.tree.args.get("partition"):
        raise unsupported("DESCRIBE of anything but a table")
    if {"HISTORY", "DETAIL", "SCHEMA", "DATABASE", "FUNCTION", "QUERY"} & set(words[1:2]):
        raise unsupported(f"DESCRIBE {words[1]}")
    target = statement.resolver.target(table, statement.references, "SELECT")
    return DescribeTable(target, extended=extended)


def _insert(statement: _Statement) -> Plan:
    tree = statement.tree
    table = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(table, exp.Table) or tree.args.get("partition") or tree.args.get("exists"):
        raise unsupported("This form of INSERT")
    target = statement.resolver.target(table, statement.references, "MODIFY")
    statement.read(target=table)
    replaced, source = _insert_parts(statement)
    columns = None
    if isinstance(tree.this, exp.Schema):
        columns = tuple(column.name for column in tree.this.expressions)
    return Insertion(
        source=source,
        tables=statement.tables(),
        target=target,
        columns=columns,
        by_name=bool(tree.args.get("by_name")),
        overwrite=bool(tree.args.get("overwrite")),
        replace_where=replaced,
    )


def _insert_parts(statement: _Statement) -> tuple[str | None, str]:
    """The predicate of REPLACE WHERE, if any, and the query that gives the rows."""
    tokens = tokens_of(statement.text)
    # After `INSERT INTO TABLE`, whose TABLE names the target, not the source.
    start = _at_top(tokens, _SOURCE_STARTS, after=3)
    if start is None:
        raise unsupported("An INSERT whose rows come from a query in parentheses")
    where = _at_top(tokens, frozenset({TokenType.WHERE}), after=0)
    source = statement.render(tokens[start].start)
    if where is None or where > start:
        return None, source
    return statement.render(tokens[where].end + 1, tokens[start].start), source


def _at_top(tokens: list[Token], kinds: frozenset[TokenType], *, after: int) -> int | None:
    """Index of the first token of these kinds outside all parentheses."""
    depth = 0
    for index, token in enumerate(tokens):
        if token.token_type == TokenType.L_PAREN:
            depth += 1
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
        elif depth == 0 and index >= after and token.token_type in kinds:
            return index
    return None


def _change(statement: _Statement) -> Plan:
    table = statement.tree.this
    if not isinstance(table, exp.Table):
        raise unsupported("A change of anything but a table")
    resolver = statement.resolver
    target = resolver.target(table, statement.references, "SELECT", "MODIFY")
    statement.read(target=table)
    verb = type(statement.tree).__name__.upper()
    return Change(statement.render(), statement.tables(), target, verb)


def _create(statement: _Statement) -> Plan:
    tree = statement.tree
    if str(tree.args.get("kind")).upper() != "TABLE" or _TEMPORARY & _property_types(tree):
        raise unsupported(f"CREATE {tree.args.get('kind')}")
    table = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    name = statement.resolver.name_of(table)
    statement.resolver.require_create_table(name)
    keys = foreign_keys(tree, statement.resolver.referred)
    facts = replace(table_facts(tree), foreign_keys=keys)
    columns: tuple[Column, ...] = ()
    source = None
    if tree.expression is not None:
        if isinstance(tree.this, exp.Schema):
            raise unsupported("A column list beside AS SELECT")
        statement.read(tree.expression)
        tokens = tokens_of(statement.text)
        start = _at_top(tokens, _SOURCE_STARTS, after=4)
        if start is None:
            raise unsupported("CREATE TABLE AS with a query in parentheses")
        source = statement.render(tokens[start].start)
    else:
        columns = typed_columns(tree)
    return CreateTable(
        name=name,
        facts=facts,
        columns=columns,
        source=source,
        tables=statement.tables(),
        if_not_exists=bool(tree.args.get("exists")),
        replace=bool(tree.args.get("replace")),
    )


_TEMPORARY = frozenset({exp.TemporaryProperty, exp.ExternalProperty})


def _property_types(tree: exp.Expression) -> frozenset[type[exp.Expression]]:
    properties = tree.args.get("properties")
    return frozenset(type(item) for item in properties.expressions) if properties else frozenset()


def _alter(statement: _Statement) -> Plan:
    tree = statement.tree
    if str(tree.args.get("kind")).upper() != "TABLE" or not isinstance(tree.this, exp.Table):
        raise unsupported("ALTER of anything but a table")
    target = statement.resolver.target(tree.this, statement.references, "MODIFY")
    actions = tree.args.get("actions") or []
    if all(isinstance(action, exp.AlterSet) for action in actions):
        return SetProperties(target, _set_properties(actions))
    if not all(isinstance(action, exp.Schema | exp.ColumnDef) for action in actions):
        raise unsupported("This form of ALTER TABLE")
    return AddColumns(target, typed_columns(tree))


def _set_properties(actions: Sequence[exp.Expression]) -> tuple[tuple[str, str], ...]:
    found = []
    for action in actions:
        for item in action.find_all(exp.Property):
            value = item.args.get("value")
            found.append((item.name, value.name if value is not None else ""))
    if not found:
        raise unsupported("This form of ALTER TABLE")
    return tuple(found)


def _first_words(statement: str) -> str:
    return " ".join(statement.split()[:2]).upper()


_READERS: Mapping[type[exp.Expression], Callable[[_Statement], Plan]] = {
    exp.Insert: _insert,
    exp.Update: _change,
    exp.Delete: _change,
    exp.Merge: _change,
    exp.Create: _create,
    exp.Alter: _alter,
    exp.Describe: _describe,
}
