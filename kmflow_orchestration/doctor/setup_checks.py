"""Settings, packages, sign-in, backend: what must be right before anything is asked for."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from kmflow_orchestration.databricks_client.connect import check_connection
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.proxies import proxy_for
from kmflow_orchestration.databricks_client.reachability import addresses, handshake, reach_proxy
from kmflow_orchestration.doctor.findings import Finding, failed, passed, skipped, warned
from kmflow_orchestration.doctor.patient import Patient
from kmflow_orchestration.doctor.remedies import of_volume, refused
from kmflow_orchestration.errors import AccessRefused, MissingDependency, RemoteNotFound
from kmflow_orchestration.extras import extra_of

SDK = "databricks.sdk"


def config_complete(patient: Patient) -> Finding:
    """Every setting that the group's backend needs, and a landing folder that can be read."""
    config = patient.config
    if not config.is_enabled:
        return failed(
            "the group is disabled", f"kmflow group enable {config.group_id}", exit_code=3
        )
    if patient.has_workspace:
        check_connection(config)
    where = f"{config.host}, {config.volume.text}" if patient.has_workspace else "local"
    landing = patient.landing_root
    told = f"{where}; landing folder {landing}; version {config.version} of the settings"
    if config.landing_volume is not None:
        return passed(told)
    if not landing.is_dir():
        return warned(f"there is no landing folder {landing}", f"mkdir -p {landing}")
    if not os.access(landing, os.R_OK | os.X_OK):
        return failed(
            f"the landing folder {landing} may not be read",
            f"let the user that runs kmflow read it: chmod u+rx {landing}",
        )
    return passed(told)


def landing_listed(patient: Patient) -> Finding:
    """A landing place in a Volume is there and may be listed; a folder is looked at by `config`."""
    place = patient.config.landing_volume
    if place is None:
        return skipped("evidence is dropped into a folder of this machine")
    listing = VolumeFiles(patient.calls).list_names(place, must_exist=True)
    try:
        is_empty = next(listing, None) is None
    except RemoteNotFound:
        return warned(f"there is no directory {place}", f"databricks fs mkdirs dbfs:{place}")
    except AccessRefused as error:
        return refused(patient, error, of_volume(place), "READ VOLUME")
    return passed(f"{place} can be listed" + (", nothing lies in it" if is_empty else ""))


def sdk_importable(patient: Patient) -> Finding:
    """The Databricks SDK, with its version."""
    if not patient.has_workspace:
        return skipped("the group works on this machine")
    try:
        patient.ways.import_module(SDK)
    except ModuleNotFoundError as error:
        # Without any package of Databricks, the error names but the first part.
        install = f"pip install 'kmflow_orchestration[{extra_of(SDK)}]'"
        return failed(
            f"{error.name or SDK} is not installed",
            install,
            exit_code=MissingDependency.exit_code,
        )
    try:
        return passed(f"databricks-sdk {version('databricks-sdk')}")
    except PackageNotFoundError:
        return passed("databricks-sdk of an unknown version")


def signs_in(patient: Patient) -> Finding:
    """The host answers, takes the credential, and says who we are."""
    if not patient.has_workspace:
        return skipped("the group works on this machine")
    _ = patient.calls  # a reference that leads nowhere is told before any request
    reached = _reached(patient)
    me = patient.me
    return passed(f"{me.display_name or me.user_name} ({patient.calls.auth_kind}), {reached}")


def _reached(patient: Patient) -> str:
    url = urlsplit(patient.config.workspace_url)
    has_tls = url.scheme == "https"
    host, port = url.hostname or "", url.port or (443 if has_tls else 80)
    proxy = proxy_for(patient.config.workspace_url)
    if proxy is not None:
        reach_proxy(proxy, timeout_s=patient.timeout_s)
        return f"through the proxy {proxy.at}"
    addresses(host, port)
    context = patient.ways.tls_context() if has_tls else None
    agreed = handshake(host, port, tls=context, timeout_s=patient.timeout_s)
    return f"{host}:{port}, {agreed}"


def backend_named(patient: Patient) -> Finding:
    """The store that work on the group uses is the one that settings and health name."""
    name = patient.store.name
    if name != patient.backend:
        return failed(
            f"evidence goes to {name}, the setting says {patient.backend}",
            f"set STORAGE_BACKEND={name}, or restart what runs with the former setting",
            exit_code=3,
        )
    return passed(name)
