"""What corrections mean for one file or one table (row G18)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from kmflow_orchestration.clock import iso
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.converters.kinds import FileConverter
from kmflow_orchestration.converters.reader_options import OTHER_NAMES
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.errors import ConfigurationError, InvalidOptions
from kmflow_orchestration.metadata.correction_records import (
    DATASET,
    IGNORE,
    PASSWORD,
    TYPE,
    Candidate,
    Correction,
    Scope,
)
from kmflow_orchestration.metadata.dataset_tables import DatasetTables
from kmflow_orchestration.metadata.intake_records import Item
from kmflow_orchestration.names import EngagementId, GroupId
from kmflow_orchestration.operations.convert.options import conversion_options, reader_options
from kmflow_orchestration.operations.dataset_names import (
    dataset_key,
    named_key,
    stem_of_key,
    table_names,
)

# Of two that say different things the one about less wins, and of equals the later.
_RANK = (Scope.FILES, Scope.TABLE, Scope.ITEM)


@dataclass(frozen=True, slots=True)
class CorrectedReading:
    """Reader options by their names in the table of options, the one that counts most last.

    See ReadsOtherwise.
    """

    options: Mapping[str, Any]

    def known_to(
        self, converter: str, known: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """A pattern also fits files whose converter has no such option: they are read as ever.

        Of options that exclude each other the one that counts more holds: files are not refused
        for what two people said.
        """
        told: dict[str, Any] = {}
        unlocking = (PASSWORD,) if PASSWORD in self.options else ()
        for name, value in reversed(list(self.options.items())):
            if not knows(converter, known, name, value):
                continue
            if refusal(converter, known, {**told, name: value}) is None or (
                refusal(converter, known, {name: value}) is not None
            ):
                told[name] = value
        options = reader_options(conversion_options(told), known, converter)
        return options, (*sorted(told), *unlocking)

    def password(self) -> str | None:
        """See ReadsOtherwise; from then on no text of this process shows it."""
        reference = self.options.get(PASSWORD)
        return None if reference is None else SecretRef.parse(reference).resolve().reveal()


def knows(converter: str, known: Mapping[str, Any], name: str, value: Any) -> bool:
    """Whether a converter has an option of the table of options."""
    try:
        reader_options(conversion_options({name: value}), known, converter)
    except InvalidOptions:
        return False
    return True


def kept_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Reader options of one saying as corrections keep them, ready for JSON.

    Raises:
        InvalidOptions: some of them exclude each other.
    """
    for one in default_converters():
        own = {
            name: value
            for name, value in options.items()
            if knows(one.name, one.options(), name, value)
            and refusal(one.name, one.options(), {name: value}) is None
        }
        problem = refusal(one.name, one.options(), own)
        if problem is not None:
            raise InvalidOptions(problem.message, hint=problem.hint) from problem
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in options.items()
    }


def refusal(
    converter: str, known: Mapping[str, Any], options: Mapping[str, Any]
) -> ConfigurationError | InvalidOptions | None:
    """Why a converter does not take options that it has."""
    own = default_converters().named(converter)
    try:
        given = reader_options(conversion_options(options), known, converter)
        if isinstance(own, FileConverter) and not hands_on(own):
            own.reader_options.parse(given)
    except (ConfigurationError, InvalidOptions) as error:
        return error
    return None


def hands_on(converter: FileConverter) -> bool:
    """Whether its options are those of other readers, which check them: an archive's."""
    return not converter.options().keys() <= converter.reader_options.defaults().keys()


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What corrections say of one file; `applied` are those that say it."""

    options: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = ""
    is_ignored: bool = False
    applied: tuple[Correction, ...] = ()

    @property
    def outcome(self) -> tuple[object, ...]:
        """Equal for plans that come out alike."""
        # In their order, too: of two that exclude each other the last one holds.
        return (list(self.options.items()), self.dataset, self.is_ignored)

    def effective(self, known: Collection[str]) -> tuple[Correction, ...]:
        """Those of `applied` that meant something; `known` are the options that did."""
        return tuple(
            one for one in self.applied if one.name in {DATASET, IGNORE} or one.name in known
        )

    @property
    def reading(self) -> CorrectedReading | None:
        return CorrectedReading(self.options) if self.options else None

    def dataset_key(self, file_name: str, part: str = "") -> str:
        return named_key(self.dataset, part) if self.dataset else dataset_key(file_name, part)


class CorrectionPlan:
    """Corrections of a group, ready to be asked about files and tables.

    `keys` are engagement and dataset key of tables that they name, as far as there are such.
    """

    def __init__(
        self, corrections: Sequence[Correction], keys: Mapping[str, tuple[str, str]]
    ) -> None:
        self._keys = keys
        self._of_files: dict[str, list[Correction]] = {}
        self._types: dict[str, dict[str, Correction]] = {}
        for one in corrections:
            if one.scope is Scope.COLUMN:
                table, _, column = one.target.partition(".")
                self._types.setdefault(table, {})[column] = one
            else:
                self._of_files.setdefault(one.engagement_id, []).append(one)
        for some in self._of_files.values():
            some.sort(key=lambda one: (_RANK.index(one.scope), one.number))

    def __repr__(self) -> str:
        return f"CorrectionPlan(of_files={self._of_files}, types={self._types})"

    def of(self, item: Item | Candidate) -> FilePlan:
        """What holds for a file by its name, its landing path and its id."""
        winners: dict[str, Correction] = {}
        for one in self._of_files.get(item.engagement_id, ()):
            if self._is_about(one, item, winners):
                about = _about(one.name)
                winners.pop(about, None)
                winners[about] = one
        if IGNORE in winners:
            return FilePlan(is_ignored=True, applied=(winners[IGNORE],))
        named = winners.get(DATASET)
        options = {
            one.name: one.value for one in winners.values() if one.name not in {DATASET, IGNORE}
        }
        return FilePlan(options, str(named.value) if named else "", applied=tuple(winners.values()))

    def _is_about(
        self, one: Correction, item: Item | Candidate, winners: Mapping[str, Correction]
    ) -> bool:
        if one.scope is Scope.ITEM:
            return one.target == item.item_id
        if one.scope is Scope.FILES:
            return fits_pattern(path_below(one.engagement_id, item.landing_path), one.target)
        named = winners.get(DATASET)
        stem = str(named.value) if named else dataset_key(item.file_name)
        if one.target in self._keys:
            return stem_of_key(self._keys[one.target][1]) == stem
        # No file of it came yet: it will be named like this.
        name = table_names(EngagementId(item.engagement_id), stem)[0]
        return one.target == name or one.target.startswith(f"{name}__")

    def types_of(self, table: str) -> Mapping[str, Correction]:
        """Types that were set, by column."""
        return self._types.get(table, {})

    def words_of(self, table: str) -> dict[str, str]:
        """The words of these types."""
        return {column: str(one.value) for column, one in self.types_of(table).items()}

    @property
    def typed_tables(self) -> frozenset[str]:
        return frozenset(self._types)


def _about(name: str) -> str:
    """What an option decides: `header_row` and `no_header` say different things of the same."""
    return OTHER_NAMES[name][0] if name in OTHER_NAMES else name


def path_below(engagement: str, landing_path: str) -> str:
    """A landing path below its engagement's folder."""
    return landing_path.removeprefix(f"{engagement}/")


def fits_pattern(path: str, pattern: str) -> bool:
    """A pattern without `/` is about names in any folder; with one in front it is about a path.

    A name in full is that file's, whatever signs of patterns are in it.
    """
    is_path, pattern = "/" in pattern, pattern.removeprefix("/")
    told = path if is_path else path.rpartition("/")[2]
    return told == pattern or fnmatchcase(told, pattern)


def passwords_of(held: Sequence[Correction]) -> dict[str, CorrectedReading]:
    """Readings of items whose password is kept somewhere, with nothing else that was said."""
    return {
        one.target: CorrectedReading({PASSWORD: one.value}) for one in held if one.name == PASSWORD
    }


def correction_plan(
    held: Sequence[Correction], group: GroupId, registry: DatasetTables
) -> CorrectionPlan:
    """Corrections that hold in a group, with the tables that they name."""
    named = {one.target for one in held if one.scope is Scope.TABLE}
    return CorrectionPlan(held, registry.keys_of(group, named) if named else {})


def affected_by(
    candidates: Sequence[Candidate], before: CorrectionPlan, after: CorrectionPlan
) -> list[Candidate]:
    """Files that come out otherwise, and those with rows in a table with other types."""
    retyped = {
        table
        for table in before.typed_tables | after.typed_tables
        if before.words_of(table) != after.words_of(table)
    }
    return [
        one
        for one in candidates
        if retyped.intersection(one.tables) or before.of(one).outcome != after.of(one).outcome
    ]


def correction_facts(one: Correction) -> dict[str, Any]:
    """A correction for JSON: receipts, metadata, answers."""
    return {
        **asdict(one),
        "scope": one.scope.value,
        "set_at": iso(one.set_at),
    }


def value_shown(one: Correction) -> str | int | bool:
    """What was said, for people."""
    if one.name == PASSWORD:
        return SecretRef.parse(str(one.value)).shown
    return " ".join(one.value) if isinstance(one.value, list) else one.value


def correction_sentence(one: Correction) -> str:
    """A correction for people, with by whom and since when."""
    value = value_shown(one)
    what = IGNORE if one.name == IGNORE else f"{one.name} {value}"
    if one.name == TYPE:
        what = f"type {value}"
    return f"#{one.number} {one.target}: {what}, by {one.set_by} since {iso(one.set_at)}"
