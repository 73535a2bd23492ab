"""Statements about the catalog itself, which no query engine knows: read by their words.

CREATE and DROP of catalogs, schemas and Volumes, DROP TABLE, GRANT, REVOKE, SHOW, USE, and ALTER
TABLE as far as it sets tags or an owner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot.tokens import Token, TokenType

from kmflow_orchestration.workspace.sql_errors import SqlError
from kmflow_orchestration.workspace.sql_text import syntax_error, tokens_of

_KINDS = {
    "CATALOG": "CATALOG",
    "SCHEMA": "SCHEMA",
    "DATABASE": "SCHEMA",
    "TABLE": "TABLE",
    "VOLUME": "VOLUME",
    "METASTORE": "METASTORE",
}
_DEPTH = {"METASTORE": 0, "CATALOG": 1, "SCHEMA": 2, "TABLE": 3, "VOLUME": 3}


@dataclass(frozen=True, slots=True)
class CatalogStatement:
    """`name` is as written. `verb` is CREATE, DROP, GRANT, REVOKE, SHOW GRANTS, SHOW, USE,
    SET TAGS or SET OWNER.
    """

    verb: str
    kind: str = ""
    name: tuple[str, ...] = ()
    comment: str = ""
    quiet: bool = False
    cascade: bool = False
    privileges: tuple[str, ...] = ()
    principal: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    pattern: str | None = None


def read_catalog_statement(text: str) -> CatalogStatement | None:
    """The statement, or None when it is of another sort. Raises SqlError."""
    words = _Words(tokens_of(text))
    reader = _READERS.get(words.peek())
    return reader(words) if reader is not None else None


class _Words:
    """A cursor over the tokens of a statement."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self, ahead: int = 0) -> str:
        """The word to come in capitals, "" for a quoted one or the end."""
        at = self._at + ahead
        if at >= len(self._tokens) or self._quoted(self._tokens[at]):
            return ""
        return str(self._tokens[at].text).upper()

    def take(self, *words: str) -> bool:
        """Step over these words if they come next."""
        if all(self.peek(ahead) == word for ahead, word in enumerate(words)):
            self._at += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        if not self.take(*words):
            raise self.unexpected()

    def identifier(self) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at].token_type == TokenType.STRING:
            raise self.unexpected()
        token = self._tokens[self._at]
        if (
            token.token_type != TokenType.IDENTIFIER
            and not token.text[:1].replace("_", "a").isalnum()
        ):
            raise self.unexpected()
        self._at += 1
        return str(token.text)

    def name(self) -> tuple[str, ...]:
        parts = [self.identifier()]
        while self.take("."):
            parts.append(self.identifier())
        if any("." in part for part in parts):
            raise SqlError("UNSUPPORTED_FEATURE", "A dot inside a name is not supported.")
        return tuple(parts)

    def text(self) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at].token_type != TokenType.STRING:
            raise self.unexpected()
        self._at += 1
        return str(self._tokens[self._at - 1].text)

    def word(self) -> str:
        word = self.peek()
        if not word:
            raise self.unexpected()
        self._at += 1
        return word

    def kind(self) -> str:
        found = _KINDS.get(self.peek())
        if found is None:
            raise self.unexpected()
        self._at += 1
        return found

    def at_end(self) -> bool:
        return self._at >= len(self._tokens)

    def end(self) -> None:
        if not self.at_end():
            raise self.unexpected()

    def unexpected(self) -> SqlError:
        if self.at_end():
            return syntax_error("Unexpected end of statement.", "end of input")
        return syntax_error("", self._tokens[self._at].text)

    @staticmethod
    def _quoted(token: Token) -> bool:
        return token.token_type in {TokenType.IDENTIFIER, TokenType.STRING}


def _create(words: _Words) -> CatalogStatement | None:
    if words.peek(1) not in {"CATALOG", "SCHEMA", "DATABASE", "VOLUME"}:
        return None
    words.expect("CREATE")
    kind = words.kind()
    quiet = words.take("IF", "NOT", "EXISTS")
    name = _full(words, kind)
    comment = words.text() if words.take("COMMENT") else ""
    if words.peek() in {"MANAGED", "LOCATION"}:
        raise SqlError("UNSUPPORTED_FEATURE", "A storage location of one's own is not supported.")
    words.end()
    return CatalogStatement("CREATE", kind, name, comment=comment, quiet=quiet)


def _drop(words: _Words) -> CatalogStatement | None:
    if words.peek(1) not in {"CATALOG", "SCHEMA", "DATABASE", "VOLUME", "TABLE"}:
        return None
    words.expect("DROP")
    kind = words.kind()
    quiet = words.take("IF", "EXISTS")
    name = _full(words, kind)
    cascade = words.take("CASCADE")
    words.take("RESTRICT")
    words.end()
    return CatalogStatement("DROP", kind, name, quiet=quiet, cascade=cascade)


def _grant(words: _Words) -> CatalogStatement:
    verb = words.word()
    privileges = _privileges(words)
    words.expect("ON")
    kind, name = _securable(words)
    words.expect("TO" if verb == "GRANT" else "FROM")
    principal = words.identifier()
    words.end()
    return CatalogStatement(verb, kind, name, privileges=privileges, principal=principal)


def _show(words: _Words) -> CatalogStatement:
    words.expect("SHOW")
    things = words.word()
    if things == "GRANTS":
        principal = "" if words.peek() == "ON" else words.identifier()
        words.expect("ON")
        kind, name = _securable(words)
        words.end()
        return CatalogStatement("SHOW GRANTS", kind, name, principal=principal)
    shown = {
        "CATALOGS": "CATALOG",
        "SCHEMAS": "SCHEMA",
        "DATABASES": "SCHEMA",
        "TABLES": "TABLE",
        "VIEWS": "VIEW",
        "VOLUMES": "VOLUME",
    }.get(things)
    if shown is None:
        raise SqlError("UNSUPPORTED_FEATURE", f"SHOW {things} is not supported.")
    name = words.name() if words.take("IN") or words.take("FROM") else ()
    pattern = None
    if not words.at_end():
        words.take("LIKE")
        pattern = words.text()
    words.end()
    return CatalogStatement("SHOW", shown, name, pattern=pattern)


def _use(words: _Words) -> CatalogStatement:
    words.expect("USE")
    kind = words.kind() if words.peek() in {"CATALOG", "SCHEMA", "DATABASE"} else "SCHEMA"
    name = _full(words, kind)
    words.end()
    return CatalogStatement("USE", kind, name)


def _alter(words: _Words) -> CatalogStatement | None:
    if not words.take("ALTER", "TABLE"):
        return None
    name = _full(words, "TABLE")
    if words.take("SET", "TAGS"):
        tags = _tags(words)
        words.end()
        return CatalogStatement("SET TAGS", "TABLE", name, tags=tags)
    if words.take("SET", "OWNER", "TO") or words.take("OWNER", "TO"):
        principal = words.identifier()
        words.end()
        return CatalogStatement("SET OWNER", "TABLE", name, principal=principal)
    return None


def _tags(words: _Words) -> tuple[tuple[str, str], ...]:
    found = []
    words.expect("(")
    while True:
        key = words.text()
        found.append((key, words.text() if words.take("=") else ""))
        if not words.take(","):
            words.expect(")")
            return tuple(found)


def _privileges(words: _Words) -> tuple[str, ...]:
    found: list[str] = []
    while True:
        privilege = [words.word()]
        while words.peek() not in {"ON", ",", ""}:
            privilege.append(words.word())
        found.append("_".join(privilege))
        if not words.take(","):
            return tuple(found)


def _securable(words: _Words) -> tuple[str, tuple[str, ...]]:
    # Without a word for its kind a name is a table's.
    kind = words.kind() if words.peek() in _KINDS and words.peek(1) != "." else "TABLE"
    return kind, () if kind == "METASTORE" else _full(words, kind)


def _full(words: _Words, kind: str) -> tuple[str, ...]:
    name = words.name()
    if len(name) > _DEPTH[kind]:
        raise SqlError(
            "PARSE_SYNTAX_ERROR",
            f"Syntax error: {'.'.join(name)} has too many parts for a {kind.lower()}.",
        )
    return name


_READERS: Mapping[str, Callable[[_Words], CatalogStatement | None]] = {
    "CREATE": _create,
    "DROP": _drop,
    "GRANT": _grant,
    "REVOKE": _grant,
    "SHOW": _show,
    "USE": _use,
    "ALTER": _alter,
}
