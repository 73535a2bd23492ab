"""Address of a Databricks workspace: one normal form, and everything else refused (rows A2, C3)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

# Domains Databricks serves workspaces from; a host outside them must be named by the user.
KNOWN_DOMAINS = (
    "cloud.databricks.com",
    "azuredatabricks.net",
    "gcp.databricks.com",
    "databricks.azure.us",
    "databricks.azure.cn",
    "cloud.databricks.us",
)
_HOST = re.compile(
    r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\]"
)
# What the browser's address bar adds behind the host of a workspace.
_BROWSER_QUERY = re.compile(r"o=\d+")


def workspace_url(
    text: str, *, allow_insecure_loopback: bool = False, allowed_hosts: Collection[str] = ()
) -> str:
    """The address as `https://host` in lower case, or `http://host:port` on loopback.

    Accepts a bare host, a trailing slash, port 443 and the `?o=123` of a pasted browser address.
    A host outside Databricks' domains must be one of `allowed_hosts`, or below a `*.domain` of
    them; no other name is guessed.

    Raises:
        ValueError: says which rule is broken, without the address (it may hold a password).
    """
    parts = _split(text)
    host = (parts.hostname or "").lower().rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    if not _HOST.fullmatch(host):
        raise ValueError("must name a host, such as https://adb-1.7.azuredatabricks.net")
    if is_loopback(host):
        return _loopback_url(parts, host, allow_insecure_loopback)
    if parts.scheme != "https":
        raise ValueError("must start with https://")
    if _port(parts) not in {None, 443}:
        raise ValueError("must not name a port other than 443")
    if not _is_known(host) and not _is_allowed(host, allowed_hosts):
        raise ValueError("is no Databricks domain: add the host to allowed_hosts if it is meant")
    return f"https://{host}"


def host_of(url: str) -> str:
    """Host, with its port if it has one, of a normalised address; '' for ''."""
    return urlsplit(url).netloc


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine, by its name or address, without asking a resolver."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _split(text: str) -> SplitResult:
    if text != text.strip() or re.search(r"[\s\x00-\x1f\\]", text):
        raise ValueError("must not hold blanks, back-slashes or control characters")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError as error:
        raise ValueError("is no address") from error
    if parts.scheme.startswith("databricks"):
        # Those that are passed around hold a token, and their path where nothing reads it.
        raise ValueError(
            "is a URL for SQLAlchemy: give its host alone, its path as http_path and its token as "
            "a reference"
        )
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")
    if parts.path not in {"", "/"} or parts.fragment:
        raise ValueError("must not hold a path")
    if parts.query and not _BROWSER_QUERY.fullmatch(parts.query):
        raise ValueError("must not hold a query")
    return parts


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError as error:
        raise ValueError("must hold a port between 1 and 65535") from error


def _loopback_url(parts: SplitResult, host: str, allowed: bool) -> str:
    if not allowed:
        raise ValueError("is loopback: set allow_insecure_loopback for a local workspace")
    if parts.scheme not in {"http", "https"}:
        raise ValueError("must start with http:// or https://")
    port = _port(parts)
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _is_allowed(host: str, allowed_hosts: Collection[str]) -> bool:
    """By the whole name, or by `*.` and what comes below it."""
    names = {name.lower() for name in allowed_hosts}
    return host in names or any(
        name.startswith("*.") and host.endswith(name[1:]) and len(name) > 3 for name in names
    )


def _is_known(host: str) -> bool:
    return any(host.endswith(f".{domain}") for domain in KNOWN_DOMAINS)
