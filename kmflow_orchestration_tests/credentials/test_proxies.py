"""Row C22: proxies by the usual variables, for every client that goes to a workspace.

The group's workspace is at an address where nobody listens, so that only the proxy leads to it:
whatever goes past the proxy gets no answer.
"""

from __future__ import annotations

import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.warehouses import Warehouse
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import ConfigurationError, KmflowError, RemoteFault
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.profiling.completion import post_completion
from kmflow_orchestration.workspace.seeding import seed_client
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration.workspace.wire import Caller
from kmflow_orchestration_tests.embedded import Room, embedded_server, fresh_room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.forwarding_proxy import ForwardingProxy, forwarding_proxy
from kmflow_orchestration_tests.profiling.receiver import RunningReceiver

__all__ = ["embedded_server"]

ACME = GroupId("acme")
CLIENT_SECRET = "a-clients-secret-4f9d8a7b"
PASSWORD = "a-proxys-password-9e107d9d"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True)
class Far:
    """A workspace that only a proxy can reach, with a group in it."""

    room: Room
    client_id: str
    proxy: ForwardingProxy
    values: dict[str, object]
    secrets: dict[str, str]

    @property
    def scheme(self) -> str:
        return urlsplit(self.room.url).scheme

    @property
    def address(self) -> str:
        return urlsplit(str(self.values["workspace_url"])).netloc

    @property
    def trust(self) -> str:
        return str(self.room.server.trust or "")


def _nobodys_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _far(server: EmbeddedWorkspace, proxy: ForwardingProxy) -> Far:
    room = fresh_room(server)
    groups = GroupsInRoom(room)
    config = groups.config("acme")
    caller = Caller(room.admin.workspace_id, "acme-service")
    client_id = seed_client(server, caller, secret=CLIENT_SECRET)
    scheme = urlsplit(server.url).scheme
    values = {
        "workspace_url": f"{scheme}://localhost:{_nobodys_port()}",
        "allow_insecure_loopback": True,
        "warehouse_id": server.services.warehouses.default_id(room.admin.workspace_id),
        "catalog": config.catalog,
        "schema": config.schema,
    }
    secrets = {"T": groups.environment["TOKEN_acme"], "S": CLIENT_SECRET}
    return Far(room, client_id, proxy, values, secrets)


@pytest.fixture(scope="module")
def by_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    with (
        EmbeddedWorkspace(tmp_path_factory.mktemp("secure"), tls=True) as server,
        forwarding_proxy(server.url) as proxy,
    ):
        yield _far(server, proxy)


@pytest.fixture(scope="module")
def in_plain(embedded_server: EmbeddedWorkspace) -> Iterator[Far]:
    with forwarding_proxy(embedded_server.url) as proxy:
        yield _far(embedded_server, proxy)


Opened = Callable[..., tuple[Context, GroupConfig]]


@pytest.fixture
def opened(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """A context in an environment with these proxies, and acme's configuration in it."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    contexts: list[Context] = []

    def make(far: Far, by: str = "token", **environment: str) -> tuple[Context, GroupConfig]:
        for name, value in {**far.secrets, **environment}.items():
            monkeypatch.setenv(name, value)
        far.proxy.seen.clear()
        far.room.server.services.request_log.clear()
        trust = {"ca_bundle": far.trust} if far.trust else {}
        process = load_settings(
            home=str(tmp_path), storage_backend="databricks", use_databricks="on", **trust
        )
        contexts.append(context := Context(process, clock=clock))
        context.migrate()
        signs = {"client_id": far.client_id, "client_secret": "env:S"}
        login = {"token": "env:T"} if by == "token" else signs
        values = parse_group(ACME, {**far.values, **login}, rules=process.input_rules)
        return context, context.group_configs.save(ACME, values, "a person")

    yield make
    for one in contexts:
        one.close()


def all_answer(context: Context, config: GroupConfig) -> None:
    """The SDK, our own session and the token fetch of a client, in every step of the check."""
    found = context.check_connection(config, attempts=1)
    assert found.connected, found.message


def sql_answers(context: Context) -> None:
    with context.get_engine(ACME).connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


@pytest.mark.parametrize("by", ["token", "client"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_every_client_tunnels_through_the_proxy_for_tls(
    by_tls: Far, opened: Opened, by: str, variable: str
) -> None:
    context, config = opened(by_tls, by, **{variable: by_tls.proxy.url})

    all_answer(context, config)
    assert set(by_tls.proxy.seen) == {f"CONNECT {by_tls.address}"}
    fetched = by_tls.room.server.requests("POST", "/oidc/v1/token").count(status=200)
    assert fetched == (1 if by == "client" else 0)


@pytest.mark.parametrize("by", ["token", "client"])
def test_the_driver_tunnels_through_the_proxy_too(by_tls: Far, opened: Opened, by: str) -> None:
    context, _ = opened(by_tls, by, HTTPS_PROXY=by_tls.proxy.url)

    sql_answers(context)
    assert set(by_tls.proxy.seen) == {f"CONNECT {by_tls.address}"}
    assert by_tls.room.server.requests("POST", "/sql/1.0/*").count(status=200) > 0


@pytest.mark.parametrize("by", ["token", "client"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_plain_requests_are_forwarded(
    in_plain: Far, opened: Opened, by: str, variable: str
) -> None:
    context, config = opened(in_plain, by, **{variable: in_plain.proxy.url})

    all_answer(context, config)
    asked = in_plain.room.server.requests().count()
    assert len(in_plain.proxy.seen) == asked > 0
    paths = " ".join(in_plain.proxy.seen)
    for path in ("/scim/v2/Me", "/sql/statements", "/fs/files/Volumes"):
        assert path in paths
    assert ("/oidc/v1/token" in paths) is (by == "client")


def test_a_result_behind_a_link_comes_through_the_proxy(in_plain: Far, opened: Opened) -> None:
    context, config = opened(in_plain, HTTP_PROXY=in_plain.proxy.url)
    calls = context.clients.get(config)
    statements = Statements(
        calls, Warehouse(calls, config.warehouse_id, clock=context.clock), context.clock
    )

    assert statements.fetch("SELECT 7 AS n").column("n").to_pylist() == [7]
    assert len(in_plain.proxy.seen) == in_plain.room.server.requests().count()


def near(far: Far) -> Far:
    """The same workspace at its own address, which needs no proxy."""
    return Far(
        far.room,
        far.client_id,
        far.proxy,
        {**far.values, "workspace_url": far.room.url},
        far.secrets,
    )


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("hosts", ["127.0.0.1", "adb.test,127.0.0.1", "*"])
def test_a_host_of_no_proxy_is_reached_past_it(
    by_tls: Far, opened: Opened, variable: str, hosts: str
) -> None:
    proxies = {"HTTPS_PROXY": by_tls.proxy.url, variable: hosts}
    context, config = opened(near(by_tls), **proxies)

    all_answer(context, config)
    sql_answers(context)
    assert by_tls.proxy.seen == []


@pytest.mark.parametrize("other", ["HTTP_PROXY", "FTP_PROXY"])
def test_a_proxy_for_other_schemes_gets_nothing(by_tls: Far, opened: Opened, other: str) -> None:
    context, config = opened(near(by_tls), **{other: by_tls.proxy.url})

    all_answer(context, config)
    assert by_tls.proxy.seen == []


def test_a_proxy_that_wants_a_password_gets_it_from_its_address(
    by_tls: Far, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_tls.proxy, "wants", f"kmflow:{PASSWORD}")
    context, config = opened(by_tls, HTTPS_PROXY=by_tls.proxy.url_of(f"kmflow:{PASSWORD}"))

    all_answer(context, config)
    sql_answers(context)
    assert set(by_tls.proxy.seen) == {f"CONNECT {by_tls.address}"}


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error)


@pytest.mark.parametrize("user_info", [f"kmflow:{PASSWORD}", PASSWORD, f"{PASSWORD}:"])
def test_a_proxys_credentials_are_shown_nowhere(
    by_tls: Far,
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    user_info: str,
) -> None:
    monkeypatch.setattr(by_tls.proxy, "wants", "somebody:else")
    caplog.set_level(logging.DEBUG)
    context, config = opened(by_tls, HTTPS_PROXY=by_tls.proxy.url_of(user_info))

    found = context.check_connection(config, attempts=1)
    with pytest.raises(RemoteFault) as by_sdk:
        current_principal(context.clients.get(config), is_patient=False)
    with pytest.raises(KmflowError) as by_driver, context.get_engine(ACME).connect():
        pass
    assert by_driver.value.exit_code == (5 if ":" in user_info else 3)

    assert set(by_tls.proxy.seen) == {"407"}
    assert not found.connected
    told = f"{found} {shown(by_sdk.value)} {shown(by_driver.value)} {caplog.text}"
    assert by_tls.proxy.at in told
    assert PASSWORD not in told


def test_a_proxy_that_refuses_us_is_named_with_what_to_do(
    by_tls: Far, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_tls.proxy, "wants", "somebody:else")
    context, config = opened(by_tls, HTTPS_PROXY=by_tls.proxy.url)

    found = context.check_connection(config, attempts=1)

    step = found.steps[-1]
    assert (step.name, found.exit_code) == ("sign-in", 5)
    assert f"the proxy {by_tls.proxy.at}" in step.detail
    assert "HTTPS_PROXY" in step.remedy


def test_a_proxy_that_is_not_there_fails_at_the_network(by_tls: Far, opened: Opened) -> None:
    nowhere = f"127.0.0.1:{_nobodys_port()}"
    context, config = opened(by_tls, HTTPS_PROXY=f"http://kmflow:{PASSWORD}@{nowhere}")

    found = context.check_connection(config, attempts=1)

    step = found.steps[-1]
    assert (step.name, found.exit_code) == ("network", 5)
    assert f"the proxy {nowhere}" in step.detail
    assert "HTTPS_PROXY" in step.remedy
    assert PASSWORD not in repr(found)


def test_the_check_says_which_proxy_is_between(by_tls: Far, opened: Opened) -> None:
    context, config = opened(by_tls, HTTPS_PROXY=by_tls.proxy.url_of(f"kmflow:{PASSWORD}"))

    found = {step.name: step.detail for step in context.check_connection(config).steps}

    assert found["host name"] == f"left to the proxy {by_tls.proxy.at}"
    assert found["network"] == f"through the proxy {by_tls.proxy.at}"


@pytest.mark.parametrize("address", ["http://[half:of/an-address", "http://:3128"])
def test_an_address_that_is_none_is_a_wrong_setting(
    by_tls: Far, opened: Opened, address: str
) -> None:
    context, config = opened(by_tls, HTTPS_PROXY=address)

    with pytest.raises(ConfigurationError, match="HTTPS_PROXY is no address") as refusal:
        context.clients.get(config)
    assert refusal.value.exit_code == 3
    assert context.check_connection(config).exit_code == 3


OTHER_WAYS = {
    "ALL_PROXY": ({"ALL_PROXY": "{proxy}"}, "does not know ALL_PROXY"),
    "a range": ({"HTTPS_PROXY": "{proxy}", "NO_PROXY": "127.0.0.0/8"}, "ranges of addresses"),
}


@pytest.mark.parametrize(("environment", "says"), OTHER_WAYS.values(), ids=OTHER_WAYS)
def test_the_driver_never_goes_another_way_than_the_others(
    by_tls: Far, opened: Opened, environment: dict[str, str], says: str
) -> None:
    proxies = {name: text.format(proxy=by_tls.proxy.url) for name, text in environment.items()}
    context, config = opened(near(by_tls), **proxies)

    all_answer(context, config)
    by_tls.proxy.seen.clear()
    with pytest.raises(ConfigurationError, match=says) as refusal:
        context.get_engine(ACME)
    assert "127.0.0.1 in NO_PROXY" in refusal.value.hint
    assert by_tls.proxy.seen == []


def test_the_driver_sends_nothing_in_plain_to_a_proxy(in_plain: Far, opened: Opened) -> None:
    context, _ = opened(in_plain, HTTP_PROXY=in_plain.proxy.url)

    with pytest.raises(ConfigurationError, match="no plain HTTP through a proxy") as refusal:
        context.get_engine(ACME)
    assert refusal.value.exit_code == 3
    assert "localhost in NO_PROXY" in refusal.value.hint
    assert in_plain.proxy.seen == []


def test_behind_no_proxy_the_driver_speaks_in_plain(in_plain: Far, opened: Opened) -> None:
    context, _ = opened(near(in_plain), HTTP_PROXY=in_plain.proxy.url, NO_PROXY="127.0.0.1")

    sql_answers(context)
    assert in_plain.proxy.seen == []


def reported(url: str, clock: FakeClock) -> bool:
    return post_completion({}, url=url, token="t-4f9d8a7b", idempotency_key="k", clock=clock)


def test_a_jobs_report_goes_through_the_proxy(
    by_tls: Far, opened: Opened, clock: FakeClock
) -> None:
    opened(by_tls, HTTPS_PROXY=by_tls.proxy.url)

    # Whoever answers there cannot prove to be kmflow.test: the report is not given to it.
    assert not reported("https://kmflow.test/complete", clock)
    assert set(by_tls.proxy.seen) == {"CONNECT kmflow.test:443"}


def test_a_jobs_report_to_this_machine_goes_past_it(
    in_plain: Far, opened: Opened, clock: FakeClock
) -> None:
    opened(in_plain, HTTP_PROXY=in_plain.proxy.url)
    with RunningReceiver() as receiver:
        assert reported(receiver.url, clock)
    assert in_plain.proxy.seen == []
