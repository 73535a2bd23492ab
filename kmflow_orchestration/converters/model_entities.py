"""What a process model declares: its steps by their kind, its lanes, its decisions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kmflow_orchestration.converters.interface import BlockKind, TextBlock
from kmflow_orchestration.converters.named_entity import EntityType, NamedEntity

MODEL_PARSER = "process_model"
# The notation has a word for it.
_DECLARED = 0.95
# A lane is who does it, or where it is done. A pool may be no more than the process's name.
_LANE = 0.9
# A shape's meaning is a habit of those who draw.
_DRAWN = 0.6
_STEP = re.compile(r"([A-Z][\w ]{1,60}): (\S.*)")
_PLACE = re.compile(r"(lane|decision) (\S.*)")
_KINDS: tuple[tuple[str, EntityType, float], ...] = (
    (r"(?:\w+ )?task|call activity|(?:ad hoc )?sub process|transaction|activity",
     EntityType.ACTIVITY, _DECLARED),
    (r"(?:\w+ )*event", EntityType.EVENT, _DECLARED),
    (r"(?:\w+ )*gateway", EntityType.GATEWAY, _DECLARED),
    (r"decision", EntityType.DECISION, _DECLARED),
    (r"data (?:object|store|input|output)(?: reference)?|input data|message",
     EntityType.DATA_OBJECT, _DECLARED),
    (r"knowledge source", EntityType.DOCUMENT, _DECLARED),
    (r"rhombus|diamond", EntityType.DECISION, _DRAWN),
    (r"process", EntityType.ACTIVITY, _DRAWN),
    (r"document", EntityType.DOCUMENT, _DRAWN),
    (r"(?:cylinder\d?|datastore|database|data)", EntityType.DATA_OBJECT, _DRAWN),
    (r"(?:uml)?actor", EntityType.ROLE, _DRAWN),
)  # fmt: skip
_BY_KIND = tuple((re.compile(pattern), kind, sure) for pattern, kind, sure in _KINDS)
_PLACES = {
    "lane": (EntityType.ROLE, _LANE),
    "decision": (EntityType.DECISION, _DECLARED),
}


def entities_of_model(block: TextBlock) -> Iterator[NamedEntity]:
    """What one block of a model declares; shapes that mean nothing by themselves are none."""
    if block.kind is BlockKind.HEADING and (place := _PLACE.fullmatch(block.location)):
        kind, sure = _PLACES[place[1]]
        yield NamedEntity(kind, place[2], sure)
    elif block.kind is BlockKind.STEP and (step := _STEP.match(block.text)):
        # Shapes of drawings are named `mxgraph.bpmn.task` and the like.
        word = step[1].rpartition(".")[2].strip().lower()
        for pattern, kind, sure in _BY_KIND:
            if pattern.fullmatch(word):
                yield NamedEntity(kind, step[2], sure)
                return
