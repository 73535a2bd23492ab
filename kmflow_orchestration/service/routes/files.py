"""Why this file? A page with what `kmflow files why` says (row H21)."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import InvalidSettings, KmflowError, NotAuthenticated, UnsafePath
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.explain_file import explain_file
from kmflow_orchestration.service.authentication import browser_signed_in
from kmflow_orchestration.service.dependencies import GroupOf
from kmflow_orchestration.service.error_responses import status_of
from kmflow_orchestration.service.html import page, tag
from kmflow_orchestration.service.why_page import TITLE, form, story_parts, top

router = APIRouter()

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# Browsers ask for name and password when they are told so, and for nothing else.
_SIGN_IN = {"WWW-Authenticate": 'Basic realm="kmflow: any name, an API token as password"'}
_LONGEST = 4096


@router.get("/files/why", response_class=HTMLResponse)
def why_this_file(
    request: Request, path: str = "", content: Annotated[str, Query(alias="hash")] = ""
) -> HTMLResponse:
    """Each version of a file, what was decided and why, and what would happen now.

    The group is that of the token which the browser gives as its password.
    """
    group: GroupId | None = None
    try:
        who = browser_signed_in(request, Role.VIEWER)
        group = who.group
        asked = _asked(path, content.strip())
        if not asked:
            return page(TITLE, top(group), form(""))
        own_group: GroupOf = request.app.state.dependencies.group
        arguments = own_group(group).explaining()
        found = explain_file(group, asked, caller=who.caller, **arguments)
    except KmflowError as error:
        return _failed(error, group, content or path)
    parts = story_parts(found, landing=arguments["landing"].place)
    status = 200 if found.stories else 404
    return page(f"{asked}: {TITLE}", top(group), form(asked), parts, status=status)


def _asked(path: str, content: str) -> str:
    """What is asked about, '' for nothing. Raises InvalidSettings."""
    if path and content:
        raise InvalidSettings("ask for a path or for a hash, not for both", fields=("path", "hash"))
    if content and not _SHA256.fullmatch(content):
        raise InvalidSettings("a SHA-256 has 64 hexadecimal digits", fields=("hash",))
    if "\0" in path or len(path) > _LONGEST:
        raise InvalidSettings("no path is that long, or has a NUL in it", fields=("path",))
    return content or path


def _failed(error: KmflowError, group: GroupId | None, wanted: str) -> HTMLResponse:
    # What lies outside is no caller's to hear about.
    outside = isinstance(error, UnsafePath)
    told = "this is no path in the group's landing folder" if outside else error.message
    shown = () if group is None else (top(group), form(wanted))
    words = tag("p", tag("strong", error.code), " ", told)
    headers = _SIGN_IN if isinstance(error, NotAuthenticated) else {}
    return page(TITLE, shown, words, status=status_of(error), headers=headers)
