"""Pages as nested calls: whatever is no markup already is escaped, so nobody can forget to."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from fastapi.responses import HTMLResponse

from kmflow_orchestration.redaction import redact

_WITHOUT_END = frozenset({"input", "meta", "br"})
_CSS = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --strong: #4f6df5; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 75rem; padding: 1.5rem; }
header { display: flex; justify-content: space-between; align-items: baseline; }
h1 { font-size: 1.4rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; overflow-wrap: anywhere; }
form { display: grid; grid-template-columns: 8rem 1fr; gap: .5rem; margin: 1rem 0;
  padding: 1rem; border: 1px solid var(--line); border-radius: 6px; }
input, button { font: inherit; padding: .3rem .5rem; }
button { grid-column: 2; justify-self: start; }
.now { border-left: 4px solid var(--strong); background: var(--soft); padding: .5rem 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
caption { text-align: left; padding: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0;
  border-bottom: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
.whole { white-space: nowrap; }
.soft { opacity: .7; }
"""
_CSS_HASH = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
# No script at all, no picture, no other site; the one style sheet is the one above.
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_CSS_HASH}'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Iterable["Child"]


def tag(name: str, /, *children: Child, **attributes: str) -> Markup:
    """An element. `class_` is the attribute `class`; an attribute that is '' is left out."""
    told = "".join(
        f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items() if value
    )
    if name in _WITHOUT_END:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{_joined(children)}</{name}>")


def _joined(children: Iterable[Child]) -> str:
    return "".join(
        child if isinstance(child, Markup)
        else escape(child) if isinstance(child, str)
        else _joined(child)
        for child in children
    )  # fmt: skip


def page(
    title: str, *body: Child, status: int = 200, headers: dict[str, str] | None = None
) -> HTMLResponse:
    """A whole page as an answer, without secrets."""
    head = (
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(_CSS)),
    )
    whole = tag("html", tag("head", head), tag("body", body), lang="en")
    return HTMLResponse(
        redact(f"<!DOCTYPE html>\n{whole}\n"),
        status_code=status,
        headers=_HEADERS | (headers or {}),
    )
