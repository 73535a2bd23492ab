"""Converters by name and by suffix (row D23)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kmflow_orchestration.converters.interface import Converter, Source
from kmflow_orchestration.errors import ConfigurationError


class ConverterRegistry:
    """Converters under unique names; of two for one suffix the higher priority wins."""

    def __init__(self, converters: Iterable[Converter] = ()) -> None:
        """Raises ConfigurationError as `register` does."""
        self._converters: dict[str, Converter] = {}
        for converter in converters:
            self.register(converter)

    def __iter__(self) -> Iterator[Converter]:
        return iter(self._converters.values())

    def register(self, converter: Converter) -> None:
        """Add a converter.

        Raises:
            ConfigurationError: its name is taken, or another one claims a suffix with the same
                priority.
        """
        if converter.name in self._converters:
            raise ConfigurationError(f"two converters are named {converter.name}")
        for suffix in converter.suffixes:
            rival = self.for_suffix(suffix)
            if rival is not None and rival.priority == converter.priority:
                raise ConfigurationError(
                    f"{converter.name} and {rival.name} both claim {suffix}",
                    hint="give one of them a higher priority",
                )
        self._converters[converter.name] = converter

    def unregister(self, name: str) -> None:
        """Take a converter out; nothing happens when there is none of that name."""
        self._converters.pop(name, None)

    def named(self, name: str) -> Converter | None:
        return self._converters.get(name)

    def for_suffix(self, suffix: str) -> Converter | None:
        """The converter with the highest priority that claims a suffix such as `.csv`."""
        claims = [found for found in self if suffix.lower() in found.suffixes]
        return max(claims, key=lambda found: found.priority, default=None)

    def for_source(self, source: Source) -> Converter | None:
        """The converter that a name promises: by `.csv.gz` before `.gz`."""
        return self.for_suffix(source.double_suffix) or self.for_suffix(source.suffix)

    @property
    def version(self) -> str:
        """Changes whenever any converter's version does, or one is added."""
        return ",".join(sorted(f"{found.name}:{found.version}" for found in self))
