"""The runbook's scripts: the same commands, which find their group by the Volume that is named."""

from __future__ import annotations

from collections.abc import Sequence

from kmflow_orchestration.cli.main import USAGE, main
from kmflow_orchestration.errors import KmflowError

_PLACE = ("--catalog", "--schema", "--volume")


def migrate_to_databricks(words: Sequence[str]) -> int:
    """`kmflow migrate to-databricks`; its exit code."""
    return _run("to-databricks", list(words))


def migrate_from_databricks(words: Sequence[str]) -> int:
    """`kmflow migrate from-databricks`; its exit code."""
    return _run("from-databricks", list(words))


def _run(command: str, words: list[str]) -> int:
    if "--help" in words or _value(words, "--group") is not None:
        return main(("migrate", command, *words))
    from kmflow_orchestration.cli.output import complain

    place = [_value(words, option) for option in _PLACE]
    try:
        groups = _groups_at(place)
    except KmflowError as error:
        complain(f"{error.code}: {error.message}", hint=error.hint)
        return error.exit_code
    if len(groups) == 1:
        return main(("migrate", command, "--group", groups[0], *words))
    found = ", ".join(groups) if groups else "none"
    complain(f"which group is meant? In that Volume: {found}", hint="name it with --group")
    return USAGE


def _groups_at(place: Sequence[str | None]) -> list[str]:
    """Groups whose evidence lies there, as far as it is named; a default group comes first."""
    from kmflow_orchestration.cli.open_context import open_context

    with open_context() as context:
        found = [
            str(config.group_id)
            for config in context.group_configs.all_active()
            if all(
                asked in {None, own}
                for asked, own in zip(
                    place,
                    (config.volume.catalog, config.volume.schema, config.volume.volume),
                    strict=True,
                )
            )
        ]
        default = context.settings.default_group
    return [default] if default in found else found


def _value(words: Sequence[str], option: str) -> str | None:
    """What an option is given, as `--option value` or `--option=value`."""
    for number, word in enumerate(words):
        if word == option and number + 1 < len(words):
            return words[number + 1]
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return None
