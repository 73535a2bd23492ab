"""BPMN 2.0: pools, lanes, flow nodes, data, sequence and message flows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.converters.process_models.model import Box, Edge, Node, ProcessModel
from kmflow_orchestration.converters.safe_xml import as_data, child, children, local_name, text_of

NAMESPACE = "http://www.omg.org/spec/BPMN/20100524/MODEL"
_CONTAINERS = frozenset({"subProcess", "transaction", "adHocSubProcess"})
_DATA = frozenset({"dataObjectReference", "dataStoreReference", "dataInput", "dataOutput"})
_ARTIFACTS = frozenset({"textAnnotation", "group"})
_FLOWS = frozenset({"sequenceFlow", "messageFlow", "association", "conversationLink"})
# Attributes that have a column of their own, or say nothing to people.
_TOLD = frozenset({"id", "name", "default", "isExecutable", "attachedToRef"})


def read_bpmn(root: Any) -> ProcessModel:
    """The model below a `definitions` element."""
    return _Reader(root).model()


class _Reader:
    """Gathers nodes and edges; what refers by id is resolved at the end."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._warnings: list[ConversionWarning] = []
        self._names = {one.get("id"): one.get("name") or "" for one in root.iter() if one.get("id")}
        self._boxes = dict(self._shapes())
        self._defaults = {
            one.get("id"): one.get("default") for one in root.iter() if one.get("default")
        }
        self._lane_of: dict[str, str] = {}
        self._pool_of: dict[str, str] = {}
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []

    def model(self) -> ProcessModel:
        for collaboration in children(self._root, "collaboration", "choreography"):
            self._collaboration(collaboration)
        for process in children(self._root, "process"):
            self._process(process)
        properties = {
            "title": self._root.get("name") or "",
            "created_with": " ".join(
                filter(None, (self._root.get("exporter"), self._root.get("exporterVersion")))
            ),
        }
        return ProcessModel(
            "bpmn",
            self.nodes,
            self.edges,
            warnings=tuple(self._warnings),
            properties={name: value for name, value in properties.items() if value},
        )

    def _shapes(self) -> Iterator[tuple[str, Box]]:
        """Bounds by the id of what they draw; a shape that makes no sense is a warning."""
        for shape in self._root.iter("{*}BPMNShape"):
            drawn = _local(shape.get("bpmnElement"))
            bounds = child(shape, "Bounds")
            sides = {} if bounds is None else dict(bounds.items())
            try:
                box = Box(*(str(float(sides[one])) for one in ("x", "y", "width", "height")))
            except (KeyError, ValueError):
                message = f"the drawing of {drawn or 'nothing'} has no place"
                self._warnings.append(ConversionWarning("broken_diagram", message))
                continue
            yield drawn, box

    def _collaboration(self, collaboration: Any) -> None:
        for pool in children(collaboration, "participant"):
            process = _local(pool.get("processRef"))
            name = pool.get("name") or self._names.get(process, "")
            if process:
                self._pool_of[process] = name
            self._node(pool, "pool", pool=name)
        self._artifacts(collaboration, pool="", parent="")

    def _process(self, process: Any) -> None:
        pool = self._pool_of.get(process.get("id"), "") or process.get("name") or ""
        self._node(process, "process", pool=pool)
        for lanes in children(process, "laneSet"):
            self._lanes(lanes, pool, process.get("id") or "")
        self._flow(process, pool, parent="")

    def _lanes(self, lanes: Any, pool: str, parent: str) -> None:
        for lane in children(lanes, "lane"):
            name = lane.get("name") or lane.get("id") or ""
            self._node(lane, "lane", pool=pool, lane=name, parent=parent)
            for member in children(lane, "flowNodeRef"):
                self._lane_of[_local(text_of(member))] = name
            # What an inner lane holds is in the inner lane.
            for inner in children(lane, "childLaneSet"):
                self._lanes(inner, pool, lane.get("id") or "")

    def _flow(self, holder: Any, pool: str, parent: str) -> None:
        for element in children(holder):
            name = local_name(element)
            if name.endswith(("Task", "Event", "Gateway", "Activity")) or name in (
                {"task"} | _CONTAINERS | _DATA
            ):
                self._step(element, name, pool, parent)
        self._artifacts(holder, pool, parent)

    def _step(self, element: Any, kind: str, pool: str, parent: str) -> None:
        # Inside a sub-process, or on its border, no lane lists the steps: they are where it is.
        holder = _local(element.get("attachedToRef")) or parent
        lane = self._lane_of.get(element.get("id") or "", self._lane_of.get(holder, ""))
        self._lane_of.setdefault(element.get("id") or "", lane)
        self._node(element, kind, pool=pool, lane=lane, parent=parent)
        self._data_links(element)
        if kind in _CONTAINERS:
            self._flow(element, pool, element.get("id") or "")

    def _artifacts(self, holder: Any, pool: str, parent: str) -> None:
        for element in children(holder):
            name = local_name(element)
            if name in _ARTIFACTS:
                lane = self._lane_of.get(parent, "")
                self._node(element, name, pool=pool, lane=lane, parent=parent)
            elif name in _FLOWS:
                self._edge(element, name)

    def _edge(self, element: Any, kind: str) -> None:
        condition = text_of(child(element, "conditionExpression"))
        source = _local(element.get("sourceRef"))
        self.edges.append(
            Edge(
                element.get("id") or "",
                kind,
                source,
                _local(element.get("targetRef")),
                element.get("name") or "",
                condition or self._default(source, element.get("id") or ""),
            )
        )

    def _default(self, source: str, flow_id: str) -> str:
        """`default` for the flow that a gateway takes when no other may be taken."""
        return "default" if flow_id and self._defaults.get(source) == flow_id else ""

    def _data_links(self, step: Any) -> None:
        step_id = step.get("id") or ""
        for link in children(step, "dataInputAssociation", "dataOutputAssociation"):
            is_input = local_name(link) == "dataInputAssociation"
            other = _local(text_of(child(link, "sourceRef" if is_input else "targetRef")))
            ends = (other, step_id) if is_input else (step_id, other)
            self.edges.append(Edge(link.get("id") or "", local_name(link), *ends))

    def _node(
        self, element: Any, kind: str, *, pool: str = "", lane: str = "", parent: str = ""
    ) -> None:
        identity = element.get("id") or ""
        documentation = "\n".join(filter(None, map(text_of, children(element, "documentation"))))
        name = element.get("name") or text_of(child(element, "text"))
        self.nodes.append(
            Node(
                identity,
                kind,
                name or self._referred(element, "dataObjectRef", "dataStoreRef"),
                pool=pool,
                lane=lane,
                parent=_local(element.get("attachedToRef")) or parent,
                box=self._boxes.get(identity, Box()),
                documentation=documentation,
                details=self._details(element),
            )
        )

    def _referred(self, element: Any, *attributes: str) -> str:
        """Name of what an attribute refers to."""
        found = (self._names.get(_local(element.get(one))) for one in attributes)
        return next(filter(None, found), "")

    def _details(self, element: Any) -> Mapping[str, object]:
        found: dict[str, object] = {
            name.rpartition("}")[2]: value
            for name, value in element.items()
            if name.rpartition("}")[2] not in _TOLD
        }
        for one in children(element):
            name = local_name(one)
            if name == "extensionElements":
                found["extensions"] = as_data(one)
            elif name.endswith("EventDefinition"):
                found[name] = text_of(one) or self._referred(
                    one, "messageRef", "signalRef", "errorRef", "escalationRef"
                )
            elif name.endswith("LoopCharacteristics"):
                found[name] = text_of(one)
            elif name == "script":
                found[name] = "".join(one.itertext()).strip()
        return found


def _local(reference: str | None) -> str:
    """A reference without the prefix of its namespace."""
    return (reference or "").rpartition(":")[2]
