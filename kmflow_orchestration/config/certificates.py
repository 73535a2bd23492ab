"""Certificates that connections trust (rows C3, C22)."""

from __future__ import annotations

import ssl
from pathlib import Path

from kmflow_orchestration.errors import ConfigurationError

BUNDLE = "KMFLOW_CA_BUNDLE"


def check_bundle(path: Path) -> None:
    """Whether a file of certificates can be trusted by every client we have.

    Raises:
        ConfigurationError: it is not there, holds no certificate, or is a folder, which the
            driver of Databricks SQL does not take.
    """
    problem = "it is a folder, not a file" if path.is_dir() else ""
    if not problem:
        try:
            ssl.create_default_context(cafile=str(path))
        except ssl.SSLError:
            problem = "it holds no certificate in PEM form"
        except OSError as error:
            problem = error.strerror or type(error).__name__
    if problem:
        raise ConfigurationError(
            f"{BUNDLE}: no certificates at {path}: {problem}",
            fields=(BUNDLE,),
            hint="name a PEM file with the certificates to trust",
        )


def tls_context(bundle: Path | None, *, verify: bool = True) -> ssl.SSLContext:
    """What a connection of our own trusts: a file or folder of certificates, or the system's.

    Raises:
        ConfigurationError: no certificates can be read there.
    """
    is_folder = bundle is not None and bundle.is_dir()
    place = None if bundle is None else str(bundle)
    try:
        context = ssl.create_default_context(
            cafile=None if is_folder else place, capath=place if is_folder else None
        )
    except OSError as error:
        raise ConfigurationError(f"no certificates can be read at {bundle}") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
