"""Whether the group's principal may do what it must, and no more than that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kmflow_orchestration.databricks_client.permissions import Held, Permissions, Securable
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.doctor.catalog_checks import shortened
from kmflow_orchestration.doctor.findings import Finding, failed, passed, skipped, warned
from kmflow_orchestration.doctor.patient import Patient
from kmflow_orchestration.errors import AccessRefused, RemoteNotFound
from kmflow_orchestration.operations.grant_sql import (
    OWNERSHIP,
    grant_sql,
    place_sql,
    spoken,
    take_back_sql,
)

EVERYBODY = "account users"
IN_CATALOG = ("USE_CATALOG", "CREATE_SCHEMA")
IN_SCHEMA = ("USE_SCHEMA", "CREATE_TABLE", "SELECT", "MODIFY")
IN_VOLUME = ("READ_VOLUME", "WRITE_VOLUME")
_EVERYTHING = frozenset({"ALL_PRIVILEGES", OWNERSHIP})
_TOO_BROAD = frozenset({"ALL_PRIVILEGES", "MANAGE", OWNERSHIP})


@dataclass(frozen=True, slots=True)
class Standing:
    """What the principal holds, in its own name and in those of its groups; owned things, too."""

    held: frozenset[Held]
    wanted: Mapping[Securable, tuple[str, ...]]
    has_all_schemas: bool

    def lacks(self, securable: Securable) -> list[str]:
        """Privileges that are wanted on an object and not held there or around it."""
        here = {one.privilege for one in self.held if _covers(one.on, securable)}
        if here & _EVERYTHING:
            return []
        return [one for one in self.wanted[securable] if one not in here]


def has_each_privilege(patient: Patient) -> Finding:
    """USE, CREATE, MODIFY, SELECT, READ and WRITE where work on the group needs them."""
    if patient.is_local:
        return skipped("evidence and tables lie on this machine")
    standing = _standing(patient)
    spared = ""
    lacking: dict[Securable, list[str]] = {}
    for securable in standing.wanted:
        missing = standing.lacks(securable)
        if standing.has_all_schemas and "CREATE_SCHEMA" in missing:
            missing.remove("CREATE_SCHEMA")
            spared = "; CREATE SCHEMA is not held, nor needed: all schemas are there"
        if missing:
            lacking[securable] = missing
    if lacking:
        told = [
            f"{', '.join(map(spoken, names))} on {on.kind.lower()} {on.name}"
            for on, names in lacking.items()
        ]
        grants = "; ".join(grant_sql(on, names, patient.principal) for on, names in lacking.items())
        return failed(
            f"{patient.principal} lacks {shortened(told)}",
            f"let the owner run: {grants}",
            exit_code=AccessRefused.exit_code,
        )
    return passed(f"{patient.principal} holds all that is needed{spared}")


def holds_no_more(patient: Patient) -> Finding:
    """ALL PRIVILEGES, MANAGE and ownership reach further than the work."""
    if patient.is_local:
        return skipped("evidence and tables lie on this machine")
    broad = sorted(
        (one for one in _standing(patient).held if one.privilege in _TOO_BROAD),
        key=lambda one: (one.on.kind, one.on.name, one.privilege, one.principal),
    )
    if not broad:
        return passed("neither ALL PRIVILEGES, nor MANAGE, nor ownership")
    told = [
        f"{one.principal}: {spoken(one.privilege)} on {one.on.kind.lower()} {one.on.name}"
        for one in broad
    ]
    return warned(shortened(told), "; ".join(_taken_back(one) for one in broad))


def _taken_back(held: Held) -> str:
    if held.privilege == OWNERSHIP:
        return f"ALTER {place_sql(held.on)} OWNER TO `an administrator`"
    return take_back_sql(held)


def _standing(patient: Patient) -> Standing:
    return patient.once("standing", lambda: _look(patient))


def _look(patient: Patient) -> Standing:
    wanted = _wanted(patient)
    names = {name.casefold() for name in (patient.me.user_name, *patient.me.groups, EVERYBODY)}
    held: set[Held] = set()
    permissions = Permissions(patient.calls)
    owners = _owners(patient)
    for securable in wanted:
        held |= set(_effective(permissions, securable))
        if securable in owners:
            held.add(Held(owners[securable], OWNERSHIP, securable))
    mine = frozenset(one for one in held if one.principal.casefold() in names)
    there = {securable for securable in wanted if securable in owners}
    schemas = {securable for securable in wanted if securable.kind == "SCHEMA"}
    return Standing(mine, wanted, has_all_schemas=schemas <= there)


def _wanted(patient: Patient) -> Mapping[Securable, tuple[str, ...]]:
    config = patient.config
    catalog = config.catalog
    return {
        Securable("CATALOG", catalog): IN_CATALOG,
        **{Securable("SCHEMA", f"{catalog}.{one}"): IN_SCHEMA for one in config.namespace.schemas},
        Securable("VOLUME", config.volume.volume_name): IN_VOLUME,
    }


def _owners(patient: Patient) -> dict[Securable, str]:
    """Owners of what there is of the group's."""
    config, unity = patient.config, UnityCatalog(patient.calls)
    found: dict[Securable, str] = {}
    try:
        owner = unity.catalog_owner(config.catalog)
        if owner is not None:
            found[Securable("CATALOG", config.catalog)] = owner
    except AccessRefused:
        # Not to be seen without USE CATALOG, which is then found missing.
        pass
    wanted = set(config.namespace.schemas)
    for name, owner in unity.schema_owners(config.catalog).items():
        if name in wanted:
            found[Securable("SCHEMA", f"{config.catalog}.{name}")] = owner
    volumes = unity.volume_owners(config.catalog, config.schema)
    if config.evidence_volume in volumes:
        place = Securable("VOLUME", config.volume.volume_name)
        found[place] = volumes[config.evidence_volume]
    return found


def _effective(permissions: Permissions, securable: Securable) -> Sequence[Held]:
    try:
        return permissions.effective(securable)
    except (AccessRefused, RemoteNotFound):
        # Not to be seen, or not there: nothing is held on it, as far as anybody can tell.
        return ()


def _covers(place: Securable, securable: Securable) -> bool:
    """Whether what is held on a place holds on an object, too."""
    return place == securable or securable.name.startswith(f"{place.name}.")
