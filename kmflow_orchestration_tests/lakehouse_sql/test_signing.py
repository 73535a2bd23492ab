"""Credentials of the driver: asked for at each request, renewed in the middle, shown to nobody."""

from __future__ import annotations

import logging
import pickle

import pytest
from sqlalchemy import text

from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.errors import AccessRefused, CredentialError
from kmflow_orchestration.lakehouse_sql.signing import DriverSigning, ReferencedToken


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


def test_a_connection_outlives_its_tokens(world):
    config = world.config("acme")
    rotating = Rotating(world, every=3)
    engine = world.engines(sign_in=lambda _: rotating).get(config).engine
    with engine.connect() as connection:
        for number in range(10):
            assert connection.execute(text(f"SELECT {number}")).scalar() == number
    assert len(rotating.made) >= 4
    assert world.clock.slept == []


def test_a_token_that_ends_early_is_replaced_where_there_is_another(world):
    config = world.config("acme")
    rotating = Rotating(world, every=1000)
    engine = world.engines(sign_in=lambda _: rotating).get(config).engine
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        world.room.server.state.revoke_token(rotating.made[-1])
        assert connection.execute(text("SELECT 2")).scalar() == 2
    assert len(rotating.made) == 2


def test_a_token_that_ends_without_another_is_access_refused(world, engine):
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        world.room.server.state.revoke_token(world.groups.environment["TOKEN_acme"])
        with pytest.raises(AccessRefused):
            connection.execute(text("SELECT 2"))
    assert world.clock.slept == []


def test_a_reference_is_looked_up_at_each_request(world, engine):
    state, room = world.room.server.state, world.room
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        old = world.groups.environment["TOKEN_acme"]
        world.groups.environment["TOKEN_acme"] = f"{old}-new"
        state.create_principal(room.admin.workspace_id, "acme-service", token=f"{old}-new")
        state.revoke_token(old)
        assert connection.execute(text("SELECT 2")).scalar() == 2


def test_a_secret_that_is_gone_is_named_by_its_reference(world, engine):
    del world.groups.environment["TOKEN_acme"]
    engine.dispose()
    with pytest.raises(CredentialError, match="env:TOKEN_acme is not set"):
        engine.connect()


@pytest.mark.parametrize("token", ["Bearer dapi1", "dapi 1", "dapi\n1", "däpi"])
def test_what_cannot_stand_in_a_header_is_refused_unseen(token):
    sign_in = ReferencedToken(SecretRef("env", "T"), {"T": token})
    with pytest.raises(CredentialError) as refused:
        sign_in.headers()
    assert token not in str(refused.value)


def test_the_driver_gets_the_header_under_a_name_it_does_not_keep():
    signing = DriverSigning(ReferencedToken(SecretRef("env", "T"), {"T": "dapi1"}))
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
