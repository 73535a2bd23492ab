"""XML of unknown origin as a tree: no entities, nothing fetched, bounded depth (row D22)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmflow_orchestration.errors import CorruptInput

MAX_DEPTH = 200
ENTITIES: Mapping[str, str] = {
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&apos;": "'",
    "&amp;": "&",
}
"""Those that XML itself has; the last one last, for what it stands for begins all others."""
# Our own walkers step over comments and instructions anyway: they never enter the tree.
_SAFE: Mapping[str, bool] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


def parse_xml(content: bytes, what: str) -> Any:
    """Root element of a document; `what` names it for people.

    Raises:
        CorruptInput: no sound XML, one that declares entities (`xml_entities`), or one nested
            deeper than any document is (`too_deep`).
    """
    from lxml import etree

    try:
        root = etree.fromstring(content, etree.XMLParser(**_SAFE))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise CorruptInput(f"{what} is no sound XML: {error}") from error
    declared = root.getroottree().docinfo.internalDTD
    if declared is not None and next(declared.iterentities(), None) is not None:
        raise CorruptInput(f"{what} declares entities", reason="xml_entities")
    check_depth(root, what)
    return root


def check_depth(root: Any, what: str) -> None:
    """Raises CorruptInput (`too_deep`) beyond MAX_DEPTH levels."""
    from lxml import etree

    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            raise CorruptInput(f"{what} is nested deeper than {MAX_DEPTH}", reason="too_deep")


def local_name(element: Any) -> str:
    """Name without its namespace; '' for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def children(element: Any, *names: str) -> Iterator[Any]:
    """Direct children of these local names, in document order; all without a name."""
    for child in element:
        if not names or local_name(child) in names:
            yield child


def child(element: Any, name: str) -> Any | None:
    """First direct child of a local name."""
    return next(children(element, name), None)


def attribute(element: Any | None, name: str) -> str:
    """An attribute by its local name, since files differ in the rest."""
    if element is None:
        return ""
    return next((value for key, value in element.items() if key.rpartition("}")[2] == name), "")


def text_of(element: Any | None) -> str:
    """All text below an element with runs of blanks as one; '' for None."""
    return "" if element is None else " ".join("".join(element.itertext()).split())


def as_data(element: Any) -> dict[str, Any] | str:
    """An element as plain data for JSON: attributes, children by name, text."""
    data: dict[str, Any] = {name.rpartition("}")[2]: value for name, value in element.items()}
    for one in children(element):
        data.setdefault(local_name(one), []).append(as_data(one))
    text = (element.text or "").strip()
    if not data:
        return text
    return {**data, "text": text} if text else data


def pull_parser(*events: str) -> Any:
    """A parser that is fed piece by piece, and tells of these events."""
    from lxml import etree

    return etree.XMLPullParser(events=events, **_SAFE)


def root_name(head: bytes) -> str:
    """`{namespace}name` of the first element in a file's first bytes; '' for what is no XML."""
    if b"<" not in head[:1024]:
        return ""
    from lxml import etree

    parser = pull_parser("start")
    try:
        parser.feed(head)
        found = next(iter(parser.read_events()), None)
    except etree.XMLSyntaxError:
        # What comes later may be broken; the first element was read before that.
        found = next(iter(parser.read_events()), None)
    return "" if found is None else str(found[1].tag)
