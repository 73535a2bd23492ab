"""Credentials of the driver: asked for at each request, renewed in the middle, shown to nobody."""

from __future__ import annotations

import copy
import logging
import pickle

import pytest
from sqlalchemy import text

from kmflow_orchestration.config.secret_refs import Secret, SecretRef
from kmflow_orchestration.databricks_client.sign_in import TokenSignIn
from kmflow_orchestration.errors import CredentialError, TokenExpired
from kmflow_orchestration.lakehouse_sql.signing import DriverSigning
from kmflow_orchestration.workspace.seeding import seed_client
from kmflow_orchestration.workspace.wire import Caller


class Rotating:
    """A sign-in whose token is good for a number of requests; the workspace then forgets it."""

    kind, where = "oauth-m2m", "test"

    def __init__(self, world, *, every: int) -> None:
        self._world = world
        self._every = every
        self.made: list[str] = []
        self._left = 0

    def headers(self) -> dict[str, str]:
        if self._left == 0:
            self.has_other_than(None)
        self._left -= 1
        return {"Authorization": f"Bearer {self.made[-1]}"}

    def has_other_than(self, refused: str | None) -> bool:
        state, room = self._world.room.server.state, self._world.room
        if self.made:
            state.revoke_token(self.made[-1])
        self.made.append(f"short-lived-{room.admin.workspace_id}-{len(self.made)}")
        state.create_principal(room.admin.workspace_id, "acme-service", token=self.made[-1])
        self._left = self._every
        return True


def signing_by(world, sign_in):
    """A group's client, but for its way to sign in."""

    def client(config):
        calls = copy.copy(world.groups.clients.get(config))
        calls.sign_in = sign_in
        return calls

    return client


def test_a_connection_outlives_its_tokens(world):
    config = world.config("acme")
    rotating = Rotating(world, every=3)
    engine = world.engines(client=signing_by(world, rotating)).get(config).engine
    with engine.connect() as connection:
        for number in range(10):
            assert connection.execute(text(f"SELECT {number}")).scalar() == number
    assert len(rotating.made) >= 4
    assert world.clock.slept == []


@pytest.mark.parametrize("by", ["token", "client"])
def test_an_engine_signs_in_as_a_profile_does(world, tmp_path, by):
    config = world.config("acme")
    acme = Caller(world.room.admin.workspace_id, "acme-service")
    client_id = seed_client(world.room.server, acme, secret="a-clients-secret")
    sections = {
        "token": f"token = {world.groups.environment['TOKEN_acme']}",
        "client": f"client_id = {client_id}\nclient_secret = a-clients-secret",
    }
    file = tmp_path / "databrickscfg"
    file.write_text(f"[prod]\nhost = {world.room.url}\n{sections[by]}\n")
    file.chmod(0o600)
    config = world.config("acme", token=None, profile="prod", config_file=str(file))

    engine = world.engines().get(config).engine

    assert (engine.dialect.name, engine.url.username, engine.url.password) == (
        "databricks", None, None,
    )  # fmt: skip
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    asked = world.room.server.requests("POST", "/sql/1.0/*")
    assert asked.count() == asked.count(principal="acme-service") > 0


def test_a_service_principal_gets_new_tokens_for_an_open_connection(timed_world):
    world = timed_world
    acme = Caller(world.room.admin.workspace_id, "acme-service")
    world.config("acme")
    world.groups.environment["SECRET"] = "a-clients-secret"
    client_id = seed_client(world.room.server, acme, secret="a-clients-secret")
    secret = SecretRef("env", "SECRET")
    config = world.config("acme", token=None, client_id=client_id, client_secret=secret)
    with world.engines().get(config).engine.connect() as connection:
        for _ in range(3):
            assert connection.execute(text("SELECT 1")).scalar() == 1
            world.clock.advance(2 * 3600)
    assert world.room.server.requests("POST", "/oidc/v1/token").count() == 3


def test_a_token_that_ends_early_is_replaced_where_there_is_another(world):
    config = world.config("acme")
    rotating = Rotating(world, every=1000)
    engine = world.engines(client=signing_by(world, rotating)).get(config).engine
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        world.room.server.state.revoke_token(rotating.made[-1])
        assert connection.execute(text("SELECT 2")).scalar() == 2
    assert len(rotating.made) == 2


def test_a_token_that_ends_without_another_says_so(world, engine):
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        world.room.server.state.revoke_token(world.groups.environment["TOKEN_acme"])
        with pytest.raises(TokenExpired, match="env:TOKEN_acme was accepted before"):
            connection.execute(text("SELECT 2"))
    assert world.clock.slept == []


def test_a_new_token_behind_the_reference_is_taken_up(world, engine):
    state, room = world.room.server.state, world.room
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        old = world.groups.environment["TOKEN_acme"]
        world.groups.environment["TOKEN_acme"] = f"{old}-new"
        state.create_principal(room.admin.workspace_id, "acme-service", token=f"{old}-new")
        state.revoke_token(old)
        assert connection.execute(text("SELECT 2")).scalar() == 2


def test_a_secret_that_is_gone_is_named_by_its_reference(world):
    config = world.config("acme")
    del world.groups.environment["TOKEN_acme"]
    with pytest.raises(CredentialError, match="env:TOKEN_acme is not set"):
        world.engines().get(config)
    assert world.calls() == 0


def test_the_driver_gets_the_header_under_a_name_it_does_not_keep():
    signing = DriverSigning(TokenSignIn(lambda: Secret("dapi1"), "env:T"))
    assert signing()() == {"authorization": "Bearer dapi1"}
    assert not signing.has_newer()
    assert "dapi1" not in repr(signing)


def test_no_token_stands_in_logs_reprs_or_urls(world, caplog):
    token = world.groups.config("acme") and world.groups.environment["TOKEN_acme"]
    with caplog.at_level(logging.DEBUG):
        engine = world.engine("acme")
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    assert token not in caplog.text
    assert token not in f"{engine!r} {engine.url!r} {engine.pool!r}"
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(engine)
