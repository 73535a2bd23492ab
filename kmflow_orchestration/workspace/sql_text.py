"""The text of one statement in a form every parser reads alike.

Comments go, raw strings become plain ones, parameter markers become typed literals, and
`IDENTIFIER('a.b')` becomes a name. What the router checks is then word for word what runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from sqlglot import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from kmflow_orchestration.names import literal, quoted
from kmflow_orchestration.workspace.sql_errors import SqlError

DIALECT = Dialect.get_or_raise("databricks")
_UNREAD = frozenset({TokenType.PARAMETER, TokenType.HEREDOC_STRING, TokenType.BLOCK_START})


# After one of these sqlglot takes all the rest for one text.
_SWALLOWING = frozenset(
    {
        TokenType.SHOW,
        TokenType.COMMAND,
        TokenType.EXECUTE,
        TokenType.FETCH,
        TokenType.RENAME,
    }
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A typed parameter; `value` None is NULL, no `name` means the next `?`.

    The `arguments` of an ARRAY are its values, those of a MAP its keys and values in turn.
    """

    name: str
    value: str | None
    type: str = "STRING"
    arguments: tuple[Parameter, ...] | None = None


def tokens_of(text: str) -> list[Token]:
    """The statement's tokens. Raises SqlError."""
    try:
        tokens = list(DIALECT.tokenize(text))
        if tokens and tokens[0].token_type in _SWALLOWING:
            at = tokens[0].end + 1
            tokens[1:] = DIALECT.tokenize(" " * at + text[at:])
    except SqlglotError as error:
        raise syntax_error(str(error)) from error
    return tokens


def syntax_error(detail: str, near: str = "") -> SqlError:
    """42601; `near` is the word the parser stumbled over."""
    at = f"Syntax error at or near '{near}'." if near else "Syntax error."
    return SqlError("PARSE_SYNTAX_ERROR", f"{at} {_PLAIN.sub('', detail)}".strip())


_PLAIN = re.compile(r"\x1b\[\d+m")


def canonical(text: str, parameters: Sequence[Parameter] = ()) -> str:
    """One statement, ready to be parsed.

    Raises:
        SqlError: no statement, several, an unreadable token, an unbound or malformed parameter.
    """
    tokens = tokens_of(text)
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise SqlError("PARSE_EMPTY_STATEMENT", "Syntax error, unexpected empty statement.")
    return "".join(_named(_bound(text, tokens, _Values(parameters)))).strip()


class _Values:
    """The statement's parameters as literals, by name and in order."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._named = {one.name: _as_literal(one) for one in parameters if one.name}
        self._positional = [_as_literal(one) for one in parameters if not one.name]
        self._taken = 0

    def named(self, name: str) -> str:
        """Raises SqlError for an unbound one."""
        if name not in self._named:
            raise _unbound(name)
        return self._named[name]

    def next(self) -> str:
        """Raises SqlError when there are more markers than values."""
        if self._taken == len(self._positional):
            raise _unbound(f"_{self._taken + 1}")
        self._taken += 1
        return self._positional[self._taken - 1]


def _unbound(name: str) -> SqlError:
    return SqlError(
        "UNBOUND_SQL_PARAMETER",
        f"Found the unbound parameter: {name}. Please, fix `args` and provide a mapping of the"
        " parameter to either a SQL literal or collection constructor functions.",
    )


def _bound(text: str, tokens: list[Token], values: _Values) -> list[str]:
    """Words of the statement, each with a blank before it where the text had room."""
    words: list[str] = []
    index = 0
    end = -1
    while index < len(tokens):
        token = tokens[index]
        if token.start <= end:  # a suffix such as the L of 1L is told as tokens of its own
            index += 1
            continue
        if token.token_type in {TokenType.SEMICOLON, *_UNREAD}:
            raise syntax_error("", token.text)
        if token.token_type == TokenType.PLACEHOLDER:
            words.append(f" {values.next()}")
            end = token.end
            index += 1
            continue
        if _is_marker(tokens, index):
            words.append(f" {values.named(tokens[index + 1].text)}")
            end = tokens[index + 1].end
            index += 2
            continue
        words.append(("" if token.start == end + 1 else " ") + _word(text, token))
        end = token.end
        index += 1
    return words


def _word(text: str, token: Token) -> str:
    if token.token_type == TokenType.RAW_STRING:
        return literal(token.text)
    return text[token.start : token.end + 1]


def _is_marker(tokens: list[Token], index: int) -> bool:
    if tokens[index].token_type != TokenType.COLON or index + 1 == len(tokens):
        return False
    follows = tokens[index + 1]
    adjacent = follows.start == tokens[index].end + 1
    # `a:b` reads a field of a VARIANT and `STRUCT<a:INT>` declares one: no markers.
    attached = index > 0 and tokens[index - 1].end + 1 == tokens[index].start
    after_word = attached and re.match(r"[\w`\])]", tokens[index - 1].text[-1:] or " ") is not None
    named = follows.token_type == TokenType.IDENTIFIER or re.match(r"[A-Za-z_]", follows.text)
    return adjacent and bool(named) and not after_word


def _named(words: list[str]) -> list[str]:
    """Replace `IDENTIFIER ( 'a.b' )` by the name it spells."""
    out: list[str] = []
    index = 0
    while index < len(words):
        window = [word.strip() for word in words[index : index + 4]]
        if (
            len(window) == 4
            and window[0].upper() == "IDENTIFIER"
            and (window[1], window[3]) == ("(", ")")
            and window[2][:1] in {"'", '"'}
        ):
            spelt = tokens_of(window[2])[0].text
            out.append(f" {_spelt_name(spelt)}")
            index += 4
            continue
        out.append(words[index])
        index += 1
    return out


def _spelt_name(spelt: str) -> str:
    parts = tokens_of(spelt)
    names, dots = parts[::2], parts[1::2]
    if len(parts) % 2 == 0 or any(dot.text != "." for dot in dots):
        raise syntax_error(f"{spelt!r} is no identifier.", spelt)
    return ".".join(quoted(name.text) for name in names)


def _as_literal(parameter: Parameter) -> str:
    kind = parameter.type.upper().strip()
    if parameter.arguments is not None:
        return _collection(kind, parameter)
    if parameter.value is None:
        return f"CAST(NULL AS {kind})" if kind not in {"VOID", ""} else "NULL"
    try:
        return _typed(kind, parameter.value)
    except (ValueError, KeyError, InvalidOperation) as error:
        raise SqlError(
            "INVALID_PARAMETER_MARKER_VALUE",
            f"An invalid parameter mapping was provided: the value of {parameter.name}"
            f" is no {kind}.",
        ) from error


def _collection(kind: str, parameter: Parameter) -> str:
    if kind not in {"ARRAY", "MAP"}:
        raise SqlError(
            "INVALID_PARAMETER_MARKER_VALUE",
            f"An invalid parameter mapping was provided: {parameter.name} has arguments but is no"
            " ARRAY or MAP.",
        )
    arguments = (_as_literal(one) for one in parameter.arguments or ())
    return f"{kind.lower()}({', '.join(arguments)})"


def _typed(kind: str, value: str) -> str:
    if kind in {"", "STRING", "VARCHAR", "CHAR"}:
        return literal(value)
    if kind in {"INT", "INTEGER", "BIGINT", "LONG", "SMALLINT", "SHORT", "TINYINT", "BYTE"}:
        # A bare number, so that it may stand in LIMIT.
        number = int(value)
        return str(number) if kind in {"INT", "INTEGER"} else f"CAST({number} AS {kind})"
    if kind == "BOOLEAN":
        return literal({"true": True, "false": False}[value.strip().lower()])
    if kind == "DATE":
        return literal(date.fromisoformat(value.strip()))
    if kind.startswith("TIMESTAMP"):
        moment = datetime.fromisoformat(value.strip())
        if kind == "TIMESTAMP_NTZ":
            return f"TIMESTAMP_NTZ '{moment.replace(tzinfo=None)}'"
        return literal(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if kind in {"DOUBLE", "FLOAT"}:
        return f"CAST({literal(str(float(value)))} AS {kind})"
    if found := _DECIMAL.fullmatch(kind):
        return f"CAST('{Decimal(value):f}' AS DECIMAL{found[1] or '(10,0)'})"
    raise ValueError(kind)


_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC|DEC)\s*(\(\s*\d+\s*(?:,\s*\d+\s*)?\))?")
