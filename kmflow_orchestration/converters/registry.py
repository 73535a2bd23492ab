"""The converters we have (row D23)."""

from __future__ import annotations

from functools import partial

from kmflow_orchestration.converters.converter_registry import ConverterRegistry, Entry
from kmflow_orchestration.converters.plugin_places import has_plugins
from kmflow_orchestration.converters.shipped import ARCHIVE, SHIPPED, Shipped

__all__ = ["ConverterRegistry", "default_converters"]


def default_converters() -> ConverterRegistry:
    """A registry of every converter that ships, and of the plugins that are there.

    Ours are imported when they are asked for: to import all takes longer than a small file.

    Raises:
        ConfigurationError: a plugin has the name of another converter, or claims a suffix of one
            with the same priority.
    """
    registry = ConverterRegistry()
    for one in SHIPPED:
        registry.enter(_entry(one))
    if has_plugins():
        from kmflow_orchestration.converters.plugins import installed_plugins

        for converter in installed_plugins().converters:
            registry.register(converter)
    return registry


def _entry(one: Shipped) -> Entry:
    load = partial(one.load, default_converters) if one is ARCHIVE else one.load
    return Entry(one.name, one.suffixes, one.priority, load, one.concerns)
