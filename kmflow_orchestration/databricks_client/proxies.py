"""Proxies on the way to a workspace, by the variables that every client of ours reads (row C22)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.redacted_process import register_proxy

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy as people may see it: where it is, and which variable says so."""

    host: str
    port: int
    variable: str
    has_lone_user: bool = False
    """Whether its address holds a user without a password."""

    @property
    def at(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def hint(self) -> str:
        return f"check {self.variable}, its user and password, or name the host in NO_PROXY"


def proxy_for(url: str) -> Proxy | None:
    """The proxy that requests to this address go through, None when they go straight there.

    Its password counts as a secret from now on.

    Raises:
        ConfigurationError: the variable holds no address of an HTTP proxy.
    """
    from requests.utils import get_environ_proxies, select_proxy

    found = get_environ_proxies(url)
    address = select_proxy(url, found)
    if not address:
        return None
    scheme = urlsplit(url).scheme
    return _parsed(address, f"{scheme.upper()}_PROXY" if scheme in found else "ALL_PROXY")


def _parsed(address: str, variable: str) -> Proxy:
    register_proxy(address)
    whole = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(whole)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        host, port = "", 0
    # Outside the handler: what could not be parsed may hold a password.
    if not host or not port:
        raise ConfigurationError(
            f"{variable} is no address of an HTTP proxy",
            fields=(variable,),
            hint="write it as http://host:port or http://user:password@host:port",
        )
    has_lone_user = parts.username is not None and parts.password is None
    return Proxy(host, port, variable, has_lone_user)


def check_drivers_way(url: str) -> None:
    """Whether the driver of Databricks SQL goes the same way as all other clients.

    It knows neither ALL_PROXY nor ranges of addresses in NO_PROXY, and asks a proxy for plain HTTP
    without saying for which host.

    Raises:
        ConfigurationError: it would go another way, or not arrive.
    """
    proxy, parts = proxy_for(url), urlsplit(url)
    host = parts.hostname or ""
    is_proxied = parts.scheme in getproxies() and not proxy_bypass(host)
    problem = ""
    if is_proxied and parts.scheme == "http":
        problem = "sends no plain HTTP through a proxy"
    elif is_proxied and proxy is None:
        problem = "knows no ranges of addresses in NO_PROXY"
    elif not is_proxied and proxy is not None:
        problem = f"does not know {proxy.variable}"
    elif proxy is not None and proxy.has_lone_user:
        problem = f"takes no user without a password in {proxy.variable}"
    if problem:
        raise ConfigurationError(
            f"the driver of Databricks SQL {problem}",
            fields=("NO_PROXY",) if is_proxied else (f"{parts.scheme.upper()}_PROXY",),
            hint=f"set {parts.scheme.upper()}_PROXY, or name {host} in NO_PROXY",
        )
