"""Whether a workspace's host can be reached at all: its name, its port, its certificate."""

from __future__ import annotations

import socket
import ssl

from kmflow_orchestration.databricks_client.proxies import Proxy
from kmflow_orchestration.errors import RemoteFault, RemoteTimeout


class HostUnreachable(RemoteFault):
    """A host that has no address, does not answer, or whose certificate is not trusted.

    `error_code` is DNS, CONNECTION, TIMEOUT or TLS.
    """

    code = "KM-REMOTE-011"


class HostTooSlow(HostUnreachable, RemoteTimeout):
    """A host that does not answer in time."""


def addresses(host: str, port: int) -> tuple[str, ...]:
    """The addresses of a host, in the order they would be tried.

    Raises:
        HostUnreachable: the name is not known.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise HostUnreachable(
            f"{host} has no address: {error.strerror}",
            hint="check workspace_url for a typing error, then this machine's name server or VPN",
            error_code="DNS",
        ) from error
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def handshake(host: str, port: int, *, tls: ssl.SSLContext | None, timeout_s: float) -> str:
    """Connect, and say which protocol was agreed on, such as `TLSv1.3`; `tcp` without TLS.

    `tls` says which certificates are trusted.

    Raises:
        HostUnreachable: refused, no answer within `timeout_s` seconds, or a bad certificate.
    """
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as plain:
            if tls is None:
                return "tcp"
            with tls.wrap_socket(plain, server_hostname=host) as secured:
                return secured.version() or "TLS"
    except ssl.SSLError as error:
        raise HostUnreachable(
            f"{host} does not prove who it is: {error.reason or type(error).__name__}",
            hint="check workspace_url; name certificates of your own in KMFLOW_CA_BUNDLE",
            error_code="TLS",
        ) from error
    except TimeoutError as error:
        raise HostTooSlow(
            f"{host}:{port} did not answer within {timeout_s:g} s",
            hint="check the firewall and the proxy between this machine and the workspace",
            error_code="TIMEOUT",
        ) from error
    except OSError as error:
        raise HostUnreachable(
            f"{host}:{port} cannot be reached: {error.strerror or type(error).__name__}",
            hint="check workspace_url, the firewall and the proxy",
            error_code="CONNECTION",
        ) from error


def reach_proxy(proxy: Proxy, *, timeout_s: float) -> None:
    """Connect to a proxy, which alone can tell whether the host behind it answers.

    Raises:
        HostUnreachable: the proxy itself cannot be reached.
    """
    try:
        handshake(proxy.host, proxy.port, tls=None, timeout_s=timeout_s)
    except HostUnreachable as error:
        raise type(error)(
            f"the proxy {error.message}", hint=proxy.hint, error_code=error.error_code
        ) from error
