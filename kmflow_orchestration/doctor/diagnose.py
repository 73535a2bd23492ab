"""All checks of a group in their order; what one needs is asked first, so that each tells its own.

for one in diagnose(patient).checks:
    print(one.number, one.id, one.status, one.evidence, one.fix)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from kmflow_orchestration.doctor import (
    catalog_checks,
    compute_checks,
    content_checks,
    privilege_checks,
    probe_checks,
    queue_checks,
    setup_checks,
)
from kmflow_orchestration.doctor.findings import Checked, Diagnosis, Finding, Made, skipped
from kmflow_orchestration.doctor.patient import Patient
from kmflow_orchestration.doctor.remedies import of_error
from kmflow_orchestration.errors import InvalidSettings, KmflowError
from kmflow_orchestration.operations.provision import provision


@dataclass(frozen=True, slots=True)
class Check:
    """One check. It is skipped when one of `needs` failed; `step` is what the connection check
    calls the same thing, whose remedies then hold here, too."""

    id: str
    look: Callable[[Patient], Finding]
    needs: tuple[str, ...] = ()
    step: str = ""


_SIGNED_IN = ("config", "sdk", "sign_in")
_TABLES = (*_SIGNED_IN, "objects", "warehouse")
CHECKS = (
    Check("config", setup_checks.config_complete, step="settings"),
    Check("sdk", setup_checks.sdk_importable),
    Check("sign_in", setup_checks.signs_in, ("config", "sdk"), step="sign-in"),
    Check("runtime", compute_checks.runtime_new_enough, _SIGNED_IN),
    Check("objects", catalog_checks.objects_exist, _SIGNED_IN, step="catalog"),
    Check("privileges", privilege_checks.has_each_privilege, _SIGNED_IN),
    Check("too_broad", privilege_checks.holds_no_more, _SIGNED_IN),
    Check("warehouse", compute_checks.warehouse_answers, _SIGNED_IN, step="warehouse"),
    Check("probe", probe_checks.probe_goes_round, _TABLES, step="probe file"),
    Check("backend", setup_checks.backend_named, ("config", "sdk")),
    Check("files_and_rows", content_checks.files_have_rows, _TABLES),
    Check("duplicate_rows", content_checks.rows_stand_once, _TABLES),
    Check("tables", catalog_checks.tables_have_their_columns, _TABLES),
    Check("silver_blank", content_checks.silver_says_something, _TABLES),
    Check("token", compute_checks.token_lasts, _SIGNED_IN),
    Check("outbox", queue_checks.outbox_is_empty),
    Check("landing", setup_checks.landing_listed, _SIGNED_IN),
)


def diagnose(patient: Patient, *, fix: bool = False, only: Collection[str] = ()) -> Diagnosis:
    """Look at everything; nothing is left behind. Never raises for what it finds.

    With `fix`, what is missing is made as `kmflow provision` makes it, and all is looked at again;
    nothing is ever changed, granted or removed. `only` are ids of checks to ask, with those they
    need.

    Raises:
        InvalidSettings: there is no check of such an id.
    """
    wanted = _with_needs(only)
    try:
        found = Diagnosis(patient.group, _checked(patient, wanted))
        if not (fix and found.can_be_made):
            return found
        made = _make(patient)
        patient.forget()
        return Diagnosis(patient.group, _checked(patient, wanted), made)
    finally:
        patient.close()


def _with_needs(only: Collection[str]) -> frozenset[str]:
    known = {check.id: check for check in CHECKS}
    if unknown := sorted(set(only) - set(known)):
        raise InvalidSettings(
            f"there is no check {unknown[0]!r}",
            fields=("check",),
            hint=f"one of {', '.join(known)}",
        )
    needed = {need for name in only for need in known[name].needs}
    return frozenset({*only, *needed} or known)


def _checked(patient: Patient, wanted: frozenset[str]) -> tuple[Checked, ...]:
    found: dict[str, Checked] = {}
    for number, check in enumerate(CHECKS, start=1):
        if check.id not in wanted:
            continue
        begun = patient.clock.monotonic()
        finding = _looked(patient, check, found)
        took_ms = (patient.clock.monotonic() - begun) * 1000
        found[check.id] = Checked(
            number,
            check.id,
            finding.status,
            finding.evidence,
            finding.fix,
            finding.exit_code,
            took_ms,
            finding.can_be_made,
        )
    return tuple(found.values())


def _looked(patient: Patient, check: Check, found: Mapping[str, Checked]) -> Finding:
    bad = next((need for need in check.needs if found[need].status == "fail"), None)
    if bad is not None:
        return skipped(f"needs {bad}, which failed")
    try:
        return check.look(patient)
    except KmflowError as error:
        return of_error(patient, error, step=check.step)


def _make(patient: Patient) -> tuple[Made, ...]:
    """What is missing, made; an object that could not be says why."""
    calls = None if patient.is_local else patient.calls
    try:
        steps = provision(patient.config, patient.lakehouse, calls)
    except KmflowError as error:
        return (Made(patient.config.catalog, "catalog", "failed", str(error)),)
    return tuple(
        Made(step.object, step.kind, step.action, step.message)
        for step in steps
        if step.action != "exists"
    )
