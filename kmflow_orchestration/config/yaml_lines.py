"""YAML documents with the line of every key, and without surprises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from kmflow_orchestration.errors import ConfigurationError

# Document, group, setting: nothing of ours is deeper, and an alias bomb is not walked into.
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class LineNumbers:
    """Where each key of a document stands; lines count from 1."""

    source: str
    lines: dict[tuple[str, ...], int]

    def place(self, *keys: str) -> str:
        """`file:line` of a key, or of the nearest key above it."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.lines:
                return f"{self.source}:{self.lines[keys[:length]]}"
        return self.source


def read_document(text: str, source: str) -> tuple[Any, LineNumbers]:
    """The first document of a YAML text, and its lines.

    Raises:
        ConfigurationError: no YAML, or a key given twice.
            The text itself is not shown, because it may hold a secret.
    """
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        lines = LineNumbers(source, {} if root is None else dict(_keys(root, (), source)))
        return yaml.safe_load(text), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{source}:{mark.line + 1}" if mark else source
        problem = error.problem or "cannot be read"
    except (yaml.YAMLError, ValueError, RecursionError):
        place, problem = source, "a value or character that YAML does not allow"
    # Outside the handler: the parser's error carries a snippet of the text.
    raise ConfigurationError(f"{place}: not YAML: {problem}")


def _keys(
    node: yaml.Node, path: tuple[str, ...], source: str
) -> Iterator[tuple[tuple[str, ...], int]]:
    if not isinstance(node, yaml.MappingNode) or len(path) >= _DEPTH:
        return
    seen: set[str] = set()
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            raise ConfigurationError(
                f"{source}:{line}: {name} is given twice", fields=(".".join((*path, name)),)
            )
        seen.add(name)
        yield (*path, name), line
        yield from _keys(value, (*path, name), source)
