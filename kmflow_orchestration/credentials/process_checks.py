"""What must be right before a process starts, in one message (rows C1, C5, C15, C22)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.config.switches import switch
from kmflow_orchestration.credentials.own_connection import OwnConnection
from kmflow_orchestration.errors import ConfigurationError

_DEBUG_SWITCHES = ("DATABRICKS_DEBUG_HEADERS",)


def check_process(settings: Settings, environment: Mapping[str, str] | None = None) -> None:
    """Whether this process may start with its settings. A group's own never stop it.

    Raises:
        ConfigurationError: everything that is wrong at once, by the names of the variables.
    """
    variables = os.environ if environment is None else environment
    problems = [*_production(settings, variables), *_files(settings)]
    if settings.use_databricks and settings.strict and settings.default_group:
        problems += _own_connection(settings, variables)
    if problems:
        raise ConfigurationError(
            "; ".join(str(problem) for problem in problems),
            fields=tuple(name for problem in problems for name in problem.fields),
        )


def _production(settings: Settings, variables: Mapping[str, str]) -> Iterator[ConfigurationError]:
    if not settings.production:
        return
    if settings.databricks_strict is False:
        yield _refused("DATABRICKS_STRICT", "strict mode cannot be switched off in production")
    if not settings.tls_verify:
        yield _refused("KMFLOW_TLS_VERIFY", "certificates must be checked in production")
    for name in _DEBUG_SWITCHES:
        if _is_on(variables.get(name, "")):
            yield _refused(name, f"{name} shows headers, which production refuses")


def _is_on(word: str) -> bool:
    try:
        return switch(word)
    except ValueError:
        return True


def _files(settings: Settings) -> Iterator[ConfigurationError]:
    if settings.ca_bundle is None:
        return
    from kmflow_orchestration.config.certificates import check_bundle

    try:
        check_bundle(settings.ca_bundle)
    except ConfigurationError as error:
        yield error


def _own_connection(
    settings: Settings, variables: Mapping[str, str]
) -> Iterator[ConfigurationError]:
    try:
        OwnConnection.of(settings, environment=variables).group_settings(settings.default_group)
    except ConfigurationError as error:
        yield error


def _refused(name: str, problem: str) -> ConfigurationError:
    return ConfigurationError(problem, fields=(name,))
