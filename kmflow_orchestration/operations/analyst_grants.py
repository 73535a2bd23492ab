"""Read access for a group's analysts: silver and gold, and whether it is more (row G20).

Analysts get USE CATALOG on the group's catalog, and USE SCHEMA and SELECT on its schemas of silver
and gold, so that a table made tomorrow can be read, too. Evidence files, bronze, and the results
of profiling stay out of reach: they hold what clients sent, untouched.

What they hold beyond that is found wherever it was granted (catalog, schemas, Volumes, tables), by
ownership as well, and in the name of `account users`, to whom every analyst belongs. It is told
with the statement that takes it back, and never taken back here: it may have been meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.permissions import Held, Permissions, Securable
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import (
    AccessRefused,
    InvalidSettings,
    RemoteNotFound,
)
from kmflow_orchestration.metadata.config_audit import AuditAction, ConfigAudit, Deed
from kmflow_orchestration.names import Namespace, VolumePath
from kmflow_orchestration.operations.grant_sql import (
    OWNERSHIP,
    grant_sql,
    spoken,
    take_back_sql,
)
from kmflow_orchestration.operations.side_by_side import side_by_side

EVERYBODY = "account users"
_ALL_PEOPLE = frozenset({EVERYBODY, "users"})
_AT_ONCE = 8
Action = Literal["exists", "granted", "would_grant", "ask_owner", "failed", "too_much", "unknown"]


@dataclass(frozen=True, slots=True)
class AccessStep:
    """One privilege of one principal, and what became of it; `message` says what to do.

    `ask_owner` is about the catalog, which seldom is the group's own: we can neither see nor give
    USE CATALOG there, and by itself it opens nothing.
    """

    principal: str
    privilege: str
    kind: str
    object: str
    action: Action
    message: str = ""

    @property
    def is_fine(self) -> bool:
        return self.action in {"exists", "granted", "would_grant", "ask_owner"}


def grants_sql(config: GroupConfig, principals: Sequence[str]) -> list[str]:
    """The grants as SQL, for somebody who may run it; nobody is asked.

    Raises:
        InvalidSettings: as `grant_analysts`.
    """
    return [
        grant_sql(securable, privileges, principal)
        for principal in _analysts(principals)
        for securable, privileges in _wanted(config.namespace).items()
    ]


def grant_analysts(
    config: GroupConfig,
    principals: Sequence[str],
    *,
    caller: Caller,
    calls: WorkspaceCalls,
    audit: ConfigAudit,
    dry_run: bool = False,
) -> list[AccessStep]:
    """Let analysts read silver and gold; say what they could do besides.

    `principals` are names of Databricks groups or users. What cannot be granted fails its own
    step. Run again it grants nothing. Every grant is noted in the group's audit trail.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller no admin.
        InvalidSettings: no principal, a blank one, or one that means everybody.
        RemoteFault: the workspace could not be asked.
    """
    own = caller.require(Role.ADMIN, config.group_id)
    analysts = _analysts(principals)
    access = _Access(config, calls)
    access.look()
    steps: list[AccessStep] = []
    try:
        for analyst in analysts:
            steps.extend(access.granted(analyst, dry_run=dry_run))
    finally:
        # What was granted before a fault was granted all the same.
        if given := [step for step in steps if step.action == "granted"]:
            audit.note(own, _deed(given, caller.group_email))
    return [*steps, *access.too_much(analysts), *access.unseen()]


def _deed(given: Sequence[AccessStep], actor_email: str) -> Deed:
    shown = [f"{one.privilege} on {one.kind} {one.object} to {one.principal}" for one in given]
    return Deed(action=AuditAction.GRANT, actor_email=actor_email, after={"granted": shown})


def _analysts(principals: Sequence[str]) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(one.strip() for one in principals))
    if not named or not all(one and one.isprintable() for one in named):
        raise InvalidSettings(
            "name whom to let read: a Databricks group, or a user", fields=("to",)
        )
    if everybody := [one for one in named if one.casefold() in _ALL_PEOPLE]:
        raise InvalidSettings(
            f"{everybody[0]} is everybody in the account, whose-ever client it is",
            fields=("to",),
            hint="make a Databricks group of this client's analysts, and name that",
        )
    return named


def _wanted(namespace: Namespace) -> dict[Securable, tuple[str, ...]]:
    schemas = (namespace.silver("").schema, namespace.gold("").schema)
    return {
        Securable("CATALOG", namespace.catalog): ("USE_CATALOG",),
        **{
            Securable("SCHEMA", f"{namespace.catalog}.{schema}"): ("USE_SCHEMA", "SELECT")
            for schema in schemas
        },
    }


class _Access:
    """Who holds what in a group's part of the workspace, read once."""

    def __init__(self, config: GroupConfig, calls: WorkspaceCalls) -> None:
        self._config = config
        self._permissions = Permissions(calls)
        self._unity = UnityCatalog(calls)
        self._me = current_principal(calls).user_name
        self._wanted = _wanted(config.namespace)
        self._owners: dict[Securable, str] = {}
        self._held: dict[Held, None] = {}
        self._open: set[Securable] = set()

    def look(self) -> None:
        """Read owners and grants of everything there is."""
        self._owners = dict(self._present())
        for securable, held in side_by_side(self._effective, self._owners, workers=_AT_ONCE):
            self._held |= dict.fromkeys(held)
            mine = {one.privilege for one in held if one.principal == self._me}
            others = {one.principal for one in held} - {self._me}
            if others or "MANAGE" in mine or self._owners[securable] == self._me:
                self._open.add(securable)

    def granted(self, principal: str, *, dry_run: bool) -> Iterator[AccessStep]:
        """A step for each privilege an analyst should have; what is missing is given."""
        for securable, privileges in self._wanted.items():
            has = {
                held.privilege
                for held in self._held
                if held.on == securable and _same(held.principal, principal)
            }
            missing = [one for one in privileges if one not in has]
            action, message = self._given(securable, principal, missing, dry_run=dry_run)
            for privilege in privileges:
                if privilege in missing:
                    yield _step(Held(principal, privilege, securable), action, message)
                else:
                    yield _step(Held(principal, privilege, securable), "exists")

    def too_much(self, analysts: Sequence[str]) -> list[AccessStep]:
        """What analysts, or everybody, hold beyond; by object."""
        people = {one.casefold() for one in analysts}
        owned = (Held(owner, OWNERSHIP, securable) for securable, owner in self._owners.items())
        beyond = (
            one
            for one in (*self._held, *owned)
            if (one.principal.casefold() in people and not self._is_meant(one))
            or (_same(one.principal, EVERYBODY) and one.privilege != "USE_CATALOG")
        )
        steps = [_step(one, "too_much", take_back_sql(one)) for one in beyond]
        return sorted(steps, key=lambda step: (step.principal, step.object, step.privilege))

    def unseen(self) -> list[AccessStep]:
        """Schemas whose grants we are not shown: nothing can be said about them."""
        catalog = Securable("CATALOG", self._config.catalog)
        if catalog in self._open:
            return []
        return [
            AccessStep(
                "",
                "",
                "schema",
                schema.name,
                "unknown",
                f"only who may manage it sees what others hold: "
                f"{grant_sql(schema, ('MANAGE',), self._me)}",
            )
            for schema in self._owners
            if schema.kind == "SCHEMA" and schema not in self._open
        ]

    def _given(
        self, securable: Securable, principal: str, missing: list[str], *, dry_run: bool
    ) -> tuple[Action, str]:
        if missing and securable not in self._owners:
            return "failed", (
                f"{securable.name} is missing, or may not be seen: "
                f"kmflow provision --group {self._config.group_id}"
            )
        if not missing or dry_run:
            return "would_grant", ""
        try:
            self._permissions.grant(securable, principal, missing)
        except AccessRefused:
            sql = grant_sql(securable, missing, principal)
            action: Action = "ask_owner" if securable.kind == "CATALOG" else "failed"
            return action, f"{self._me} may not grant on it; let its owner run: {sql}"
        except RemoteNotFound as error:
            return "failed", error.message
        self._open.add(securable)
        return "granted", ""

    def _is_meant(self, held: Held) -> bool:
        if held.privilege in self._wanted.get(held.on, ()):
            return True
        schema = Securable("SCHEMA", held.on.name.rpartition(".")[0])
        is_readable = held.on.kind == "TABLE" and schema in self._wanted
        return is_readable and held.privilege == "SELECT"

    def _effective(self, securable: Securable) -> list[Held]:
        try:
            return self._permissions.effective(securable)
        except (AccessRefused, RemoteNotFound):
            # Not ours to see, or gone since it was listed; `unseen` tells of the former.
            return []

    def _present(self) -> Iterator[tuple[Securable, str]]:
        """What there is of the group's, with its owner."""
        namespace = self._config.namespace
        catalog = namespace.catalog
        owner = self._unity.catalog_owner(catalog)
        if owner is None:
            return
        yield Securable("CATALOG", catalog), owner
        owners = self._unity.schema_owners(catalog)
        for schema in namespace.schemas:
            if schema in owners:
                place = f"{catalog}.{schema}"
                yield Securable("SCHEMA", place), owners[schema]
                yield from _below(place, "TABLE", self._unity.table_owners(catalog, schema))
        for volume in self._volumes():
            found = self._unity.volume_owners(volume.catalog, volume.schema)
            if volume.volume in found:
                yield Securable("VOLUME", volume.volume_name), found[volume.volume]

    def _volumes(self) -> Iterable[VolumePath]:
        """Those for evidence and for outputs."""
        config = self._config
        places = [config.volume]
        if config.volume_path:
            places.append(VolumePath.parse(config.volume_path))
        return {place.volume_name: place for place in places}.values()


def _same(one: str, other: str) -> bool:
    """Names of users and groups are told apart without their case."""
    return one.casefold() == other.casefold()


def _below(place: str, kind: str, owners: dict[str, str]) -> Iterator[tuple[Securable, str]]:
    for name, owner in owners.items():
        yield Securable(kind, f"{place}.{name}"), owner


def _step(held: Held, action: Action, message: str = "") -> AccessStep:
    return AccessStep(
        held.principal,
        spoken(held.privilege),
        held.on.kind.lower(),
        held.on.name,
        action,
        message,
    )
