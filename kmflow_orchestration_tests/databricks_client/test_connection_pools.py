"""Which connections a request takes: found once for an origin, and never closed ones."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import requests

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.databricks_client.transport import Transport

ACME = "https://acme.cloud.databricks.com"


def pool_of(transport: Transport, url: str, **how: Any) -> Any:
    request = requests.Request("PUT", url).prepare()
    return transport.get_connection_with_tls_context(request, **{"verify": True, **how})


def test_an_origin_has_one_pool_whatever_the_path() -> None:
    transport = Transport(2, SystemClock())
    assert pool_of(transport, f"{ACME}/a?b=c") is pool_of(transport, f"{ACME}/d/e")
    assert pool_of(transport, f"{ACME}/a") is not pool_of(transport, f"{ACME}:8443/a")


def test_certificates_and_proxies_tell_pools_apart() -> None:
    transport = Transport(2, SystemClock())
    plain = pool_of(transport, ACME)
    assert pool_of(transport, ACME, verify=False) is not plain
    proxied = pool_of(transport, ACME, proxies={"https": "http://proxy.test:3128"})
    assert proxied is not plain
    assert proxied.proxy.host == "proxy.test"


def test_many_origins_take_no_more_room_than_a_few() -> None:
    transport = Transport(2, SystemClock())
    first = weakref.ref(pool_of(transport, ACME))
    for number in range(9):
        pool_of(transport, f"https://links-{number}.test/x")
    gc.collect()
    assert first() is None
    assert pool_of(transport, ACME) is pool_of(transport, ACME)


def test_a_closed_transport_lets_its_connections_go() -> None:
    transport = Transport(2, SystemClock())
    first = weakref.ref(pool_of(transport, ACME))
    transport.close()
    gc.collect()
    assert first() is None
