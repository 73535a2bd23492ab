"""What somebody asks to be corrected, checked against what there is (row G18)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from kmflow_orchestration.config.nearest import nearest
from kmflow_orchestration.converters.kinds import FileConverter
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.errors import (
    ConfigurationError,
    InvalidOptions,
    InvalidSettings,
    UnknownEngagement,
    UnknownEvidence,
)
from kmflow_orchestration.intake.ledger import Ledger
from kmflow_orchestration.metadata.correction_records import (
    DATASET,
    IGNORE,
    TYPE,
    Change,
    Scope,
)
from kmflow_orchestration.metadata.dataset_tables import DatasetPart, DatasetTables
from kmflow_orchestration.names import EngagementId, GroupId, safe_column
from kmflow_orchestration.operations.asked_types import TYPE_WORDS
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.correction_plans import (
    hands_on,
    kept_options,
    knows,
    path_below,
    refusal,
)
from kmflow_orchestration.operations.dataset_names import (
    is_whole_file,
    no_such_table,
    table_names,
    table_prefix,
)

_LONGEST_PATTERN = 512
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionRequest:
    """One target and what is said of it.

    `target` is a table or `TABLE.COLUMN`, `files` a pattern of landing paths below the
    engagement's folder, `ignore` one of files to leave out, `item_id` one item. `options` are
    readers' by name.
    """

    engagement: str = ""
    target: str = ""
    files: str = ""
    ignore: str = ""
    item_id: str = ""
    type_word: str = ""
    dataset: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


def changes_of(
    group: GroupId, request: CorrectionRequest, *, registry: DatasetTables, ledger: Ledger
) -> list[Change]:
    """The changes somebody asks for.

    Raises:
        InvalidSettings: no target or several, one that is not there, or a bad value.
        InvalidOptions: an option that no reader, or not the reader of these files, knows.
        UnknownEngagement, UnknownEvidence: there is no such.
    """
    targets = (request.target, request.files, request.ignore, request.item_id)
    if sum(map(bool, targets)) != 1:
        raise _bad("target", "name one: TABLE, TABLE.COLUMN, --files, --ignore or --item")
    if request.type_word and not request.target:
        raise _bad("type", "it is about a column: say TABLE.COLUMN")
    if request.type_word or "." in request.target:
        return [_typed(group, request, registry)]
    if request.ignore:
        if request.options or request.dataset:
            raise _bad("ignore", "files that are left out need nothing else")
        return [_of_files(group, request, ledger, request.ignore, IGNORE, value=True)]
    if request.dataset and not request.files:
        raise _bad("dataset", "it takes --files: which files belong to it")
    options = _checked_options(request.options)
    if not options and not request.dataset:
        raise _bad("target", "nothing is said of it: give a type, a dataset or an option")
    if request.files:
        dataset = _dataset(group, request, registry) if request.dataset else ""
        said = {**options, **({DATASET: dataset} if dataset else {})}
        return [
            _of_files(group, request, ledger, request.files, name, value=value)
            for name, value in said.items()
        ]
    scope, engagement, target = _item_or_table(group, request, registry, ledger, options)
    return [Change(engagement, scope, target, name, value) for name, value in options.items()]


def _item_or_table(
    group: GroupId,
    request: CorrectionRequest,
    registry: DatasetTables,
    ledger: Ledger,
    options: Mapping[str, Any],
) -> tuple[Scope, str, str]:
    if request.item_id:
        item = ledger.find_items(group, [request.item_id]).get(request.item_id)
        if item is None or item.is_gone:
            raise UnknownEvidence(
                f"group {group} has no item {request.item_id}",
                hint=f"kmflow evidence list --group {group}",
            )
        # '' of one that was never converted: then any reader's options will do.
        converters = {item.converter_version.partition(":")[0]} - {""}
        for name, value in options.items():
            _check_known(name, value, converters)
        return Scope.ITEM, item.engagement_id, item.item_id
    table, engagement, parts = _table(group, request, registry)
    _check_alone(group, table, parts, registry)
    converters = {str(part.receipt.get("converter", "")) for part in parts}
    for name, value in options.items():
        _check_known(name, value, converters)
    return Scope.TABLE, engagement, table


def _typed(group: GroupId, request: CorrectionRequest, registry: DatasetTables) -> Change:
    table, engagement, parts = _table(group, request, registry)
    asked = request.target.partition(".")[2]
    if not asked:
        raise _bad("type", f"of which column of {table}? say {table}.COLUMN")
    if request.options or request.dataset:
        raise _bad("type", "options and datasets are about files, not about one column")
    if request.type_word not in TYPE_WORDS:
        raise _bad(
            "type",
            f"there is no type {request.type_word!r}{nearest(request.type_word, TYPE_WORDS)}",
            hint=f"one of {', '.join(TYPE_WORDS)}",
        )
    columns = {one.name: one for part in parts for one in part.columns}
    by_header = {one.source_name: one.name for one in columns.values() if one.source_name}
    column = asked if asked in columns else by_header.get(asked)
    if column is None:
        raise _bad(
            "column",
            f"table {table} has no column {asked!r}{nearest(asked, columns)}",
            hint=f"it has {', '.join(columns) or 'none yet'}",
        )
    return Change(engagement, Scope.COLUMN, f"{table}.{column}", TYPE, request.type_word)


def _table(
    group: GroupId, request: CorrectionRequest, registry: DatasetTables
) -> tuple[str, str, list[DatasetPart]]:
    """A table by its name, also without its engagement in front; where it belongs, its parts."""
    asked = request.target.partition(".")[0]
    names = [asked]
    if request.engagement:
        names.append(f"{table_prefix(request.engagement)}{asked}")
    found = registry.keys_of(group, names)
    table = next((name for name in names if name in found), None)
    if table is None:
        raise no_such_table(group, asked, registry.names(group), meant=names[-1])
    engagement = found[table][0]
    if request.engagement and request.engagement != engagement:
        raise _bad("engagement", f"table {table} is of {engagement}, not of {request.engagement}")
    parts = [part for part in registry.of_table(group, table) if not part.has_left]
    return table, engagement, parts


def _check_alone(
    group: GroupId, table: str, parts: Collection[DatasetPart], registry: DatasetTables
) -> None:
    """An option is about whole files: those of a table with one sheet of many have others, too."""
    others = {
        (part.table_name, part.file_name)
        for part in registry.of_items(group, {part.item_id for part in parts})
        if part.table_name != table and not part.has_left
    }
    if others:
        other, file_name = min(others)
        raise _bad(
            "table",
            f"{file_name} is read for {other}, too, and an option holds for the whole file",
            hint=f"say so: --files {file_name!r}",
        )


def _of_files(
    group: GroupId,
    request: CorrectionRequest,
    ledger: Ledger,
    pattern: str,
    name: str,
    *,
    value: Any,
) -> Change:
    known = [str(one.engagement_id) for one in ledger.engagements(group)]
    if request.engagement not in known:
        told = repr(request.engagement) if request.engagement else "named: say --engagement"
        raise UnknownEngagement(
            f"group {group} has no engagement {told}{nearest(request.engagement, known)}",
            fields=("engagement",),
            hint=f"kmflow engagement list --group {group}",
        )
    below = path_below(request.engagement, pattern)
    is_odd = below.startswith("/") or ".." in below.split("/") or not below.isprintable()
    if not below or is_odd or len(below) > _LONGEST_PATTERN:
        raise _bad(
            "files",
            f"{pattern!r} is no pattern of landing paths",
            hint="such as 'loans_*.csv' or 'old/*', below the engagement's folder",
        )
    if below != pattern and "/" not in below:
        # A landing path in full: not of all files of that name, in whatever folder.
        below = f"/{below}"
    return Change(request.engagement, Scope.FILES, below, name, value)


def _dataset(group: GroupId, request: CorrectionRequest, registry: DatasetTables) -> str:
    """What the dataset is called by: that of the table of this name, if there is one."""
    name = request.dataset
    if safe_column(name) != name or len(name) > _LONGEST_NAME:
        wanted = safe_column(name)[:_LONGEST_NAME]
        raise _bad(
            "dataset",
            f"{name!r} is no name of a dataset" + (f": did you mean {wanted}?" if wanted else ""),
            hint="lower-case letters, digits and _",
        )
    if not request.engagement:
        return name
    table = table_names(EngagementId(request.engagement), name)[0]
    key = registry.keys_of(group, [table]).get(table, ("", name))[1]
    if not is_whole_file(key):
        raise _bad(
            "dataset",
            f"{table} is no table of whole files: none can be put into it",
            hint="choose another name",
        )
    return key


def _checked_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of readers that some converter takes with these values, ready for JSON."""
    options = conversion_options(given)
    wrong = given.keys() - options.reader.keys()
    for name in sorted(wrong):
        raise InvalidOptions(f"{name} says nothing about how a file is read")
    for name, value in options.reader.items():
        _check_known(name, value, None)
    return kept_options(options.reader)


def _check_known(name: str, value: Any, converters: Collection[str] | None) -> None:
    """Raises InvalidOptions unless one of the converters, None for all, takes the value."""
    problem: ConfigurationError | InvalidOptions | None = None
    for one in default_converters():
        if converters and one.name not in converters:
            continue
        if not converters and isinstance(one, FileConverter) and hands_on(one):
            continue
        if not knows(one.name, one.options(), name, value):
            continue
        problem = refusal(one.name, one.options(), {name: value})
        if problem is None:
            return
    if problem is not None:
        raise InvalidOptions(problem.message, hint=problem.hint) from problem
    flag = f"--{name.replace('_', '-')}"
    told = ", ".join(sorted(converters or ())) or "any"
    raise InvalidOptions(
        f"{flag} means nothing to the {told} converter",
        hint="`kmflow formats` lists the options of each format",
    )


def _bad(name: str, problem: str, *, hint: str = "") -> InvalidSettings:
    return InvalidSettings(problem, fields=(name,), hint=hint)
