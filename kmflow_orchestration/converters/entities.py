"""What a document names: activities, roles, systems and so on, and how sure that is (row B14).

Rules, not a model: each entity is made of words that stand in the chunk it is said to come from.
What a process model declares is nearly certain; what headings and sentences suggest is less so.
A text may well name nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kmflow_orchestration.converters.chunking import Chunk
from kmflow_orchestration.converters.entity_words import entities_of_text
from kmflow_orchestration.converters.interface import TextBlock
from kmflow_orchestration.converters.model_entities import MODEL_PARSER, entities_of_model
from kmflow_orchestration.converters.named_entity import EntityType
from kmflow_orchestration.converters.text_encoding import storable

_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class FoundEntity:
    """An entity, and the first chunk (from 0) that names it most surely."""

    type: EntityType
    name: str
    confidence: float
    chunk: int

    @property
    def key(self) -> str:
        """The same for names that differ in case alone."""
        return self.name.casefold()


def find_entities(
    blocks: Iterable[TextBlock], chunks: Sequence[Chunk], parser: str
) -> list[FoundEntity]:
    """Each entity once, in the order of the text; `parser` is the converter's name."""
    rules = entities_of_model if parser == MODEL_PARSER else entities_of_text
    texts = [_collapsed(chunk.text) for chunk in chunks]
    best: dict[tuple[EntityType, str], FoundEntity] = {}
    at = 0
    for named in (one for block in blocks for one in rules(block)):
        name = _collapsed(storable(named.name))
        known = best.get((named.type, name.casefold()))
        if not name or len(name) > _MAX_NAME:
            continue
        if known is not None and known.confidence >= named.confidence:
            continue
        chunk = next(_holding(name, texts, at), None)
        if chunk is not None:
            # The text goes on: so does the search.
            at = chunk
            found = FoundEntity(named.type, name, named.confidence, chunk)
            best[named.type, found.key] = found
    return list(best.values())


def _holding(name: str, texts: Sequence[str], start: int) -> Iterator[int]:
    """Chunks with a name in them, first those from `start` on."""
    order = (*range(start, len(texts)), *range(start))
    return (at for at in order if name in texts[at])


def _collapsed(text: str) -> str:
    return " ".join(text.split())


__all__ = ["EntityType", "FoundEntity", "find_entities"]
