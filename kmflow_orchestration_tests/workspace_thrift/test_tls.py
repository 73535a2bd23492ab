"""A workspace over https: the SDK, the driver and plain HTTP trust its one file."""

from __future__ import annotations

import ssl
import stat
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
from databricks import sql
from urllib3.exceptions import ProtocolError

from kmflow_orchestration.workspace.certificates import own_certificate
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.embedded import fresh_room
from kmflow_orchestration_tests.workspace_thrift.conftest import driver_settings, http_path


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    with EmbeddedWorkspace(tmp_path_factory.mktemp("secure"), tls=True) as server:
        yield fresh_room(server)


def test_the_sdk_trusts_it_by_the_usual_variable(secure, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secure.server.trust))
    assert secure.url.startswith("https://127.0.0.1:")
    client = secure.group("acme").client()
    assert client.current_user.me().user_name == "acme-service"
    warehouse = next(iter(client.warehouses.list()))
    assert warehouse.odbc_params.protocol == "https"


def test_the_driver_trusts_it_by_its_own_setting(secure):
    acme = secure.group("acme")
    settings = driver_settings(secure, acme)
    del settings["_connection_uri"]
    settings |= {
        "_port": int(secure.url.rpartition(":")[2]),
        "_tls_trusted_ca_file": str(secure.server.trust),
    }
    with sql.connect(**settings) as connection:
        assert connection.cursor().execute("SELECT 1 AS one").fetchall()[0].one == 1


def test_who_was_not_told_to_trust_it_does_not(secure):
    with pytest.raises(urllib.error.URLError) as refused:
        urllib.request.urlopen(f"{secure.url}/.well-known/databricks-config")
    assert isinstance(refused.value.reason, ssl.SSLCertVerificationError)


def test_a_connection_can_be_cut_over_tls_too(secure):
    secure.server.faults.add(Fault("execute_then_drop", path=http_path(secure)))
    settings = driver_settings(secure, secure.group("acme"))
    with pytest.raises(ProtocolError):
        sql.connect(**settings, _tls_trusted_ca_file=str(secure.server.trust))


def test_the_key_is_its_owners_alone_and_stays_the_same(tmp_path: Path, clock):
    files = own_certificate(tmp_path, clock.now())
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    first = files.certificate.read_bytes()
    own_certificate(tmp_path, clock.now() + timedelta(days=300))
    assert files.certificate.read_bytes() == first


@pytest.mark.parametrize("damage", ["cut", "no key", "soon over", "not yet begun"])
def test_a_certificate_that_is_no_good_is_made_anew(tmp_path: Path, clock, damage):
    files = own_certificate(tmp_path, clock.now())
    first, now = files.certificate.read_bytes(), clock.now()
    if damage == "cut":
        files.certificate.write_bytes(first[:100])
    elif damage == "no key":
        files.key.unlink()
    else:
        now += timedelta(days=340 if damage == "soon over" else -2)
    own_certificate(tmp_path, now)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    assert files.certificate.read_bytes() != first
