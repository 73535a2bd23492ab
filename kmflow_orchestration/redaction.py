"""Secrets leave this process as `***`, whatever text they are in (rows C15 and E2, design AD10).

    register(value)      a secret that was just read: found from now on in every form
    redact(text)         the text without secrets; the same object when there are none
    redacted(value)      the same for lists, mappings and what they hold
    scrub(error)         the same for an exception, its causes and its notes, in place

Known values are found as they are, URL-encoded, in any base64 and as JSON or Python write them;
unknown ones by the shapes that secrets have. Nothing of a secret is left, no first or last letters.
`redacted_process` puts this wherever text leaves a process by itself.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, unquote_plus

MASK = "***"
SHORTEST = 8
"""Characters; a shorter secret would blot out ordinary words and is found by its shape alone."""
_PASSING = 64
_ROUNDS = 4
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")


@dataclass(frozen=True, slots=True)
class _Known:
    """Secrets in the forms they are looked for; of one, or of all that are known."""

    texts: tuple[str, ...] = ()
    encoded: tuple[re.Pattern[str], ...] = ()
    """The same with any of their characters percent-encoded, where there is one that may be."""
    base64: tuple[str, ...] = ()
    """What they surely become inside a base64 text, at each of the three offsets."""

    def joined(self, other: _Known) -> _Known:
        return _Known(
            self.texts + other.texts, self.encoded + other.encoded, self.base64 + other.base64
        )


class _Registry:
    """Values known to be secret; read without a lock, because `known` is replaced, not changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lasting: dict[str, _Known] = {}
        self._passing: OrderedDict[str, _Known] = OrderedDict()
        self.known = _Known()

    def add(self, value: str, *, passing: bool) -> None:
        if value in self._lasting or value in self._passing:
            return
        with self._lock:
            if passing:
                self._passing[value] = _forms(value)
                while len(self._passing) > _PASSING:
                    self._passing.popitem(last=False)
            else:
                self._lasting[value] = _forms(value)
            self._join()

    def _join(self) -> None:
        everything = {**self._passing, **self._lasting}
        known = _Known()
        # The longest first: one secret may be a part of another.
        for one in sorted(everything, key=len, reverse=True):
            known = known.joined(everything[one])
        self.known = known

    def keep(self) -> tuple[dict[str, _Known], OrderedDict[str, _Known]]:
        """What is known now, for `put_back`."""
        with self._lock:
            return dict(self._lasting), OrderedDict(self._passing)

    def put_back(self, kept: tuple[dict[str, _Known], OrderedDict[str, _Known]]) -> None:
        """Know what was known then, and nothing else."""
        with self._lock:
            self._lasting, self._passing = dict(kept[0]), OrderedDict(kept[1])
            self._join()


_REGISTRY = _Registry()


@contextmanager
def forgetting() -> Iterator[None]:
    """What is registered within it is forgotten at its end.

    For tests: secrets are known to a whole process, and one test's must not blot out another's
    words. A process that works with secrets never forgets one.
    """
    kept = _REGISTRY.keep()
    try:
        yield
    finally:
        _REGISTRY.put_back(kept)


def register(value: str, *, passing: bool = False) -> None:
    """Remember a secret, and each of its lines, for as long as this process lives.

    `passing` is for one that a service renews by itself: only the latest of those are kept.
    """
    for part in {value, *value.split("\n")}:
        if len(part.strip()) >= SHORTEST:
            _REGISTRY.add(part.strip(), passing=passing)


def _forms(value: str) -> _Known:
    texts = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    texts |= {repr(value)[1:-1], str(value.encode())[2:-1]}
    encoded: tuple[re.Pattern[str], ...] = ()
    if not _PLAIN.issuperset(value):
        encoded = (re.compile("".join(_percent(char) for char in value)),)
    in_order = tuple(sorted(texts, key=len, reverse=True))
    return _Known(in_order, encoded, tuple(_middles(value.encode())))


def _percent(char: str) -> str:
    if char in _PLAIN:
        return re.escape(char)
    codes = "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
    either = "".join(f"[{one}{one.upper()}]" if one.isalpha() else one for one in codes)
    plus = r"|\+" if char == " " else ""
    return f"(?:{re.escape(char)}|{either}{plus})"


def _middles(raw: bytes) -> Iterable[str]:
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw).decode()
        # Letters at both ends depend on what stands beside the secret.
        yield whole[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]


_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{10,}={0,2}")
# Bounds a part of an address, a form or a log line that may be percent-encoded as a whole.
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}|\+")
_PIECE = re.compile(r"[^\s?&=\"'<>,;(){}\[\]|]{8,}")

_NAMES = (
    r"(?:access_|refresh_|id_|subject_)?token|token_value|string_value|client_?secret"
    r"|azure_client_secret|password|passwd|pwd|secret|api_?key|sig|signature"
    r"|x-amz-signature|x-amz-security-token|x-goog-signature"
)
_NAMED = ("token", "secret", "passw", "pwd", "sig", "api_key", "apikey", "string_value")
# A reference says where a secret is kept, and may be shown.
_REFERENCE = (
    r"(?!\*\*\*|None\b|null\b|set\b|not set\b|SecretRef|(?:env|file|secret|profile|fernet):)"
)
# Each with what it needs, in lower case: looked for before it is, because that is much cheaper.
_SHAPES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    # Tokens and service principals' secrets of Databricks; OAuth tokens of anybody (JWT).
    (
        ("dapi", "dose", "dkea"),
        re.compile(r"(?:dapi|dose|dkea|dsapi)[0-9a-f]{8,}(?:-\d+)?"),
        MASK,
    ),
    (("eyj",), re.compile(r"eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?"), MASK),
    # API tokens of our own service; the form is that of `access.api_tokens`.
    (("kmf_",), re.compile(r"kmf_[a-z0-9_-]+\.[0-9a-f]{16}\.[0-9a-f]{64}"), MASK),
    # Tokens by which a profile run reports back; the form is that of `runs.callback_tokens`.
    (("v1.",), re.compile(r"v1\.[0-9]{1,12}\.[A-Za-z0-9_-]{43}"), MASK),
    # Users and passwords of addresses.
    (("@",), re.compile(r"(?<=://)[^/\s'\"<>]*:[^/\s'\"<>]*@"), f"{MASK}@"),
    (("@",), re.compile(r"\btoken:[^\s@'\"]+@"), f"{MASK}@"),
    (
        ("authorization",),
        re.compile(
            r"(authorization[\"']?\s*[:=]\s*(?:b?[\"'])?)(?:(?:bearer|basic|token)\s+)?(?!\*\*\*)[^\s\"',}]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (
        ("bearer",),
        re.compile(r"\b(Bearer\s+)(?!realm=|error=|scope=|\*\*\*)[^\s\"'`,;}\])]+"),
        rf"\1{MASK}",
    ),
    (
        ("bearer",),
        re.compile(r"\b((?:bearer|BEARER)\s+)(?!\*\*\*)[\w.~+/=-]{16,}"),
        rf"\1{MASK}",
    ),
    (
        _NAMED,
        re.compile(
            rf"(?:(?<![A-Za-z0-9_])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))({_NAMES})(=|%3[dD])([\"']?){_REFERENCE}[^&\s\"'<>,;)]+",
            re.IGNORECASE,
        ),
        rf"\1\2\3{MASK}",
    ),
    (
        _NAMED,
        re.compile(
            rf"([\"'](?:{_NAMES})[\"']\s*:\s*)([\"']){_REFERENCE}(?:(?!\2)[^\\]|\\.)*\2",
            re.IGNORECASE | re.DOTALL,
        ),
        rf"\1\2{MASK}\2",
    ),
)


def redact(text: str) -> str:
    """The text with `***` for every secret in it."""
    for _ in range(_ROUNDS):
        cleaned = _without_shapes(_without_known(text))
        if cleaned == text:
            break
        # Once more: what was taken out may have stood inside another secret.
        text = cleaned
    return text


def _without_shapes(text: str) -> str:
    lower = text.lower()
    for hints, shape, mask in _SHAPES:
        if any(map(lower.__contains__, hints)):
            text = shape.sub(mask, text)
    return text


def _without_known(text: str) -> str:
    known = _REGISTRY.known
    if not known.texts or len(text) < SHORTEST:
        return text
    for form in known.texts:
        if form in text:
            text = text.replace(form, MASK)
    if "%" in text or "+" in text:
        for encoded in known.encoded:
            text = encoded.sub(MASK, text)
        if _ESCAPE.search(text):
            text = _PIECE.sub(_decoded_piece, text)
    if any(map(_plain_base64(text).__contains__, known.base64)):
        text = _BASE64.sub(_base64_piece, text)
    return text


def _decoded_piece(found: re.Match[str]) -> str:
    piece = found.group()
    if _ESCAPE.search(piece) is None:
        return piece
    for decoded in {unquote(piece), unquote_plus(piece)} - {piece}:
        if _holds_known(decoded) or _BASE64.sub(_base64_piece, decoded) != decoded:
            return MASK
    return piece


def _holds_known(text: str) -> bool:
    return any(map(text.__contains__, _REGISTRY.known.texts))


def _base64_piece(found: re.Match[str]) -> str:
    piece = found.group()
    plain = _plain_base64(piece)
    return MASK if any(map(plain.__contains__, _REGISTRY.known.base64)) else piece


def _plain_base64(text: str) -> str:
    """In the usual alphabet, if it was in the one for addresses."""
    return text.replace("-", "+").replace("_", "/")


def redacted(value: Any) -> Any:
    """The value with every text in it redacted; the same object when none holds a secret.

    Looks into strings, bytes, mappings, lists, tuples and sets; other objects stay as they are.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        text = value.decode("utf-8", "surrogateescape")
        cleaned = redact(text)
        return value if cleaned == text else cleaned.encode("utf-8", "surrogateescape")
    if isinstance(value, Mapping):
        pairs = [(redacted(key), redacted(one)) for key, one in value.items()]
        return value if _same(pairs, value.items()) else dict(pairs)
    # A kind of its own that walks in another way, or not at all, is no container of ours.
    if isinstance(value, list | tuple | set | frozenset) and type(value).__iter__ in _WALKS:
        items = [redacted(one) for one in value]
        return value if _same(items, value) else _like(value, items)
    return value


_WALKS = (list.__iter__, tuple.__iter__, set.__iter__, frozenset.__iter__)


def _same(new: Iterable[Any], old: Iterable[Any]) -> bool:
    return all(_one_same(a, b) for a, b in zip(new, old, strict=True))


def _one_same(new: Any, old: Any) -> bool:
    if isinstance(new, tuple) and isinstance(old, tuple) and len(new) == len(old):
        return all(a is b for a, b in zip(new, old, strict=True))
    return new is old


def _like(value: Any, items: list[Any]) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make(items)
    kind = next(one for one in (list, tuple, frozenset, set) if isinstance(value, one))
    return kind(items)


class Unshowable(Exception):
    """Stands where an exception was whose text shows a secret and cannot be changed."""


def scrub(error: BaseException) -> BaseException:
    """Take secrets out of an exception, of all its causes and contexts, and of their notes.

    Their texts are changed where they lie, so that whoever shows the error later shows none. One
    that makes its text of what nobody can change is replaced by an `Unshowable`: among causes
    where it stands, and at the top by what is returned, which otherwise is the error itself.
    """
    _scrub(error, set())
    return _showable(error)


def _scrub(error: BaseException | None, seen: set[int]) -> None:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    for inside in _exceptions_in(error):
        _scrub(inside, seen)
    _scrub_one(error)
    # `__cause__ = …` would also hide a context that is to be shown.
    hides_context = error.__suppress_context__
    error.__cause__ = error.__cause__ and _showable(error.__cause__)
    error.__context__ = error.__context__ and _showable(error.__context__)
    error.__suppress_context__ = hides_context


def _exceptions_in(error: BaseException) -> Iterator[BaseException]:
    inside = (error.__cause__, error.__context__, *error.args, *vars(error).values())
    yield from (one for one in inside if isinstance(one, BaseException))
    if isinstance(error, BaseExceptionGroup):
        yield from error.exceptions


def _showable(error: BaseException) -> BaseException:
    if not _shows_secret(error):
        return error
    stand_in = Unshowable(f"{type(error).__name__}: {redact(str(error))}")
    stand_in.__cause__, stand_in.__context__ = error.__cause__, error.__context__
    stand_in.__suppress_context__ = error.__suppress_context__
    return stand_in.with_traceback(error.__traceback__)


def _shows_secret(error: BaseException) -> bool:
    return redact(str(error)) != str(error) or redact(repr(error)) != repr(error)


def _scrub_one(error: BaseException) -> None:
    cleaned = redacted(error.args)
    if cleaned is not error.args:
        error.args = cleaned
    for name, value in list(vars(error).items()):
        clean = redacted(value)
        if clean is not value:
            setattr(error, name, clean)
    if isinstance(error, OSError):
        for name in ("strerror", "filename", "filename2"):
            value = getattr(error, name, None)
            clean = redacted(value)
            # What it never had must stay unset: a None would be shown.
            if clean is not value:
                setattr(error, name, clean)
    _mask_what_is_left(error)


def _mask_what_is_left(error: BaseException) -> None:
    """Some exceptions make their text of objects: those with a secret are cut to their kind."""
    if _shows_secret(error):
        error.args = (MASK,)
        for name, value in list(vars(error).items()):
            if name != "__notes__" and redact(str(value)) != str(value):
                setattr(error, name, MASK)
