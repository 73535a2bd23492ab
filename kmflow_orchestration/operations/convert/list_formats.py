"""Which formats are read, what each becomes, and what it can be told: from the registry (D14)."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kmflow_orchestration.converters.interface import Converter, OutputKind
from kmflow_orchestration.converters.plugins import BrokenPlugin, installed_plugins
from kmflow_orchestration.converters.registry import ConverterRegistry, default_converters
from kmflow_orchestration.extras import extra_of
from kmflow_orchestration.operations.convert.option_table import FORMATS, OPTIONS, ConversionOption
from kmflow_orchestration.operations.convert.options import flags_of

Distributions = Mapping[str, Sequence[str]]
_COMMAND = "kmflow formats --markdown > docs/formats.md"


@dataclass(frozen=True, slots=True)
class Library:
    """A package a converter reads with; no `version`: it is missing, and `extra` brings it."""

    module: str
    version: str
    extra: str

    @property
    def is_there(self) -> bool:
        return bool(self.version)


@dataclass(frozen=True, slots=True)
class FormatFacts:
    """One converter. `options` are the flags that mean something to it."""

    converter: str
    version: str
    about: str
    inputs: tuple[str, ...]
    media_types: tuple[str, ...]
    makes: str
    outputs: tuple[str, ...]
    options: tuple[str, ...]
    libraries: tuple[Library, ...]

    @property
    def is_available(self) -> bool:
        return all(library.is_there for library in self.libraries)

    def as_dict(self) -> dict[str, Any]:
        return {
            "converter": self.converter,
            "version": self.version,
            "about": self.about,
            "inputs": list(self.inputs),
            "media_types": list(self.media_types),
            "makes": self.makes,
            "outputs": list(self.outputs),
            "options": list(self.options),
            "libraries": {one.module: one.version or None for one in self.libraries},
            "available": self.is_available,
            "missing_extras": sorted({one.extra for one in self.libraries if not one.is_there}),
        }


def list_formats(
    *, suffix: str = "", output: str = "", registry: ConverterRegistry | None = None
) -> tuple[FormatFacts, ...]:
    """Every converter by name, or those that read a suffix and make a format."""
    wanted = f".{suffix.lower().removeprefix('.')}" if suffix else ""
    made = output.lower().removeprefix(".")
    # Asked once: every package's record is read for it.
    distributions = importlib.metadata.packages_distributions()
    facts = [_facts(one, distributions) for one in registry or default_converters()]
    return tuple(
        one
        for one in sorted(facts, key=lambda one: one.converter)
        if (not wanted or wanted in one.inputs) and (not made or made in one.outputs)
    )


def _facts(converter: Converter, distributions: Distributions) -> FormatFacts:
    makes = {
        OutputKind.TABLES: "tables",
        OutputKind.TEXT: "text, and tables of it",
    }.get(converter.output, "tables, text, and tables of it")
    about = (type(converter).__doc__ or "").strip().splitlines()
    return FormatFacts(
        converter.name,
        converter.version,
        about[0] if about else "",
        tuple(converter.suffixes),
        tuple(converter.media_types),
        makes,
        FORMATS,
        flags_of(converter.options()),
        tuple(_library(module, distributions) for module in converter.libraries),
    )


def _library(module: str, distributions: Distributions) -> Library:
    try:
        is_there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        is_there = False
    if not is_there:
        return Library(module, "", extra_of(module))
    names = distributions.get(module, [module])
    return Library(module, importlib.metadata.version(names[0]), extra_of(module))


def broken_plugins() -> tuple[BrokenPlugin, ...]:
    """Plugins that are there and cannot be used."""
    return installed_plugins().broken


def formats_markdown(registry: ConverterRegistry | None = None) -> str:
    """`docs/formats.md`: the same wherever it is made, so without versions of packages."""
    return "\n".join(_pages(list_formats(registry=registry))) + "\n"


def _pages(formats: Sequence[FormatFacts]) -> Iterator[str]:
    yield "# Formats"
    yield ""
    yield f"Made from the code by `{_COMMAND}`; a test compares the two. `kmflow formats` tells"
    yield "the same of what is installed, with versions. What a file is, its content decides; its"
    yield "name only where the content says nothing."
    yield ""
    yield "## What is read"
    yield ""
    yield "| converter | version | suffixes | becomes | own options | reads with |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in formats:
        cells = (
            one.converter,
            one.version,
            " ".join(f"`{suffix}`" for suffix in one.inputs),
            one.makes,
            " ".join(f"`{name}`" for name in one.options),
            " ".join(f"`{library.module}`" for library in one.libraries),
        )
        yield "| " + " | ".join(cells) + " |"
    yield ""
    for one in formats:
        yield f"- **{one.converter}**: {one.about}"
    yield ""
    yield "Tables can be written as Parquet, CSV, JSON lines or tab-separated text (`txt`); text as"
    yield "`txt`. Tables of a text are `documents` (one row about it), `blocks` (of a PDF `pages`,"
    yield "of mail `messages` and `attachments`), and `table_1` and so on for those that are in it."
    yield ""
    yield "## Options"
    yield ""
    yield "The same in a shell (`kmflow convert`, `kmflow batch-convert`) and as keywords of"
    yield "`kmflow_orchestration.notebook`. Those of single formats are refused (exit 2) by others."
    yield ""
    yield "| flag | in Python | values | without it | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for option in OPTIONS:
        yield "| " + " | ".join(_option_cells(option)) + " |"


def _option_cells(option: ConversionOption) -> tuple[str, ...]:
    kinds = {bool: "", int: "number", str: "word", tuple: "words"}
    values = ", ".join(option.choices) or kinds[type(option.default)]
    default = "" if option.is_readers or option.default in (False, ()) else str(option.default)
    meaning = f"{option.help} Single formats." if option.is_readers else option.help
    flags = " ".join(f"`{flag}`" for flag in option.flags)
    return flags, f"`{option.name}`", values, default, meaning
