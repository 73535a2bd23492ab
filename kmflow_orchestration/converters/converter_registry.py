"""Converters by name and by suffix (row D23)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from kmflow_orchestration.converters.first_look import FirstLook
from kmflow_orchestration.converters.interface import Converter, Source
from kmflow_orchestration.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a converter before it is there.

    `concerns` says of content whether `detect` may give anything but 0 for it.
    """

    name: str
    suffixes: tuple[str, ...]
    priority: int
    load: Callable[[], Converter]
    concerns: Callable[[FirstLook], bool]


class ConverterRegistry:
    """Converters under unique names; of two for one suffix the higher priority wins."""

    def __init__(self, converters: Iterable[Converter] = ()) -> None:
        """Raises ConfigurationError as `register` does."""
        self._entries: dict[str, Entry] = {}
        self._by_suffix: dict[str, list[Entry]] = {}
        self._converters: dict[str, Converter] = {}
        for converter in converters:
            self.register(converter)

    def __iter__(self) -> Iterator[Converter]:
        return map(self._loaded, tuple(self._entries.values()))

    def register(self, converter: Converter) -> None:
        """Add a converter.

        Raises:
            ConfigurationError: its name is taken, or another one claims a suffix with the same
                priority.
        """
        self.enter(
            Entry(
                converter.name,
                converter.suffixes,
                converter.priority,
                lambda: converter,
                lambda _: True,
            )
        )

    def enter(self, entry: Entry) -> None:
        """Add a converter that is loaded when it is asked for. Raises as `register` does."""
        if entry.name in self._entries:
            raise ConfigurationError(f"two converters are named {entry.name}")
        for suffix in entry.suffixes:
            rival = self._claiming(suffix)
            if rival is not None and rival.priority == entry.priority:
                raise ConfigurationError(
                    f"{entry.name} and {rival.name} both claim {suffix}",
                    hint="give one of them a higher priority",
                )
        self._entries[entry.name] = entry
        for suffix in entry.suffixes:
            self._by_suffix.setdefault(suffix, []).append(entry)

    def unregister(self, name: str) -> None:
        """Take a converter out; nothing happens when there is none of that name."""
        entry = self._entries.pop(name, None)
        self._converters.pop(name, None)
        if entry is not None:
            for suffix in entry.suffixes:
                self._by_suffix[suffix].remove(entry)

    def named(self, name: str) -> Converter | None:
        entry = self._entries.get(name)
        return None if entry is None else self._loaded(entry)

    def claims(self, suffix: str) -> bool:
        """Whether any converter claims a suffix such as `.csv`; loads none."""
        return self._claiming(suffix) is not None

    def for_suffix(self, suffix: str) -> Converter | None:
        """The converter with the highest priority that claims a suffix such as `.csv`."""
        entry = self._claiming(suffix)
        return None if entry is None else self._loaded(entry)

    def for_source(self, source: Source) -> Converter | None:
        """The converter that a name promises: by `.csv.gz` before `.gz`."""
        return self.for_suffix(source.double_suffix) or self.for_suffix(source.suffix)

    def concerned(self, source: Source, head: bytes) -> Iterator[Converter]:
        """Those that may find a file to be theirs; all others would say 0. See Converter.detect."""
        look = FirstLook(source, head)
        for entry in tuple(self._entries.values()):
            if not look.suffixes.isdisjoint(entry.suffixes) or entry.concerns(look):
                yield self._loaded(entry)

    @property
    def version(self) -> str:
        """Changes whenever any converter's version does, or one is added."""
        return ",".join(sorted(f"{found.name}:{found.version}" for found in self))

    def _claiming(self, suffix: str) -> Entry | None:
        claims = self._by_suffix.get(suffix.lower(), ())
        return max(claims, key=lambda one: one.priority, default=None)

    def _loaded(self, entry: Entry) -> Converter:
        found = self._converters.get(entry.name)
        if found is None:
            found = self._converters[entry.name] = entry.load()
        return found
