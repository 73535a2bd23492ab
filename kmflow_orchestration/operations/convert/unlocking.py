"""The password of a conversion, and a source that it opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from kmflow_orchestration.config.secret_refs import Secret, SecretRef
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.unlocked_source import unlocked_source
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.source_reading import naming_faults


def password_of(options: ConversionOptions, given: Secret | None = None) -> Secret | None:
    """The password: given as it is, or in the variable that the options name.

    Raises:
        CredentialError: there is no such variable, or nothing in it.
    """
    if given is not None or not options.password_env:
        return given
    return SecretRef("env", options.password_env).resolve()


@contextmanager
def unlocked(source: Source, password: Secret | None) -> Iterator[Source]:
    """The same as `unlocked_source`; whatever is wrong with the file comes out as naming it."""
    with ExitStack() as stack:
        with naming_faults(source):
            word = None if password is None else password.reveal()
            content = stack.enter_context(unlocked_source(source, word))
        yield content
