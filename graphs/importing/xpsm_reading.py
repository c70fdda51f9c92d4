"""Process icons of PixInsight as data: instances with their parameters and tables, all of it text still.

The XML is read without document types, hence without entities, and within fixed limits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from ...engine.errors import GraphError

# The largest sets in circulation have some hundred kilobytes; integrations keep lists of thousands of files.
MAX_BYTES = 16 << 20
MOST_ELEMENTS = 400_000
DEEPEST = 24
MOST_INSTANCES = 5_000
ROOTS = ("xpsm", "ProcessingHistory")

Rows = tuple[dict[str, str], ...]
"""Rows of a table, text by column."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of a process.

    Attributes
    ----------
    name
        The name of its icon, or else of the instance.
    kind
        The class of PixInsight, such as ``PixelMath``.
    enabled
        Members of a container may be switched off.
    members
        What a ProcessContainer holds, in order.
    rest
        Other elements, tag and text: policies, views, masks.
    """

    name: str
    kind: str
    parameters: dict[str, str] = field(default_factory=dict)
    tables: dict[str, Rows] = field(default_factory=dict)
    members: tuple[Instance, ...] = ()
    rest: tuple[tuple[str, str], ...] = ()
    description: str = ""
    enabled: bool = True

    def text(self, name: str, default: str = "") -> str:
        return self.parameters.get(name, default)

    def truth(self, name: str, default: bool = False) -> bool:
        return self.parameters.get(name, str(default)).strip().lower() == "true"


@dataclass(frozen=True, slots=True)
class Icons:
    """What a file of icons holds.

    Attributes
    ----------
    instances
        One for each icon, in the order of the file; instances without an icon follow.
    places
        Where icons stand on their workspace, by name.
    ordered
        Whether these are the steps of a history, one after the other.
    """

    instances: tuple[Instance, ...]
    places: dict[str, tuple[float, float]]
    ordered: bool


def read_icons(data: bytes) -> Icons:
    """Return what a file of process icons, or a processing history, holds.

    Raises
    ------
    GraphError
        It is no such file, or one beyond the limits.
    """
    if len(data) > MAX_BYTES:
        raise GraphError(f"a file of icons has at most {MAX_BYTES:,} bytes, this one has {len(data):,}")
    try:
        root = _parsed(data)
    except (expat.ExpatError, ValueError, LookupError) as e:
        raise GraphError(f"this is no XML that can be read: {e}") from None
    if root.tag not in ROOTS:
        raise GraphError(f"this is no file of process icons: wanted {' or '.join(ROOTS)}, got {root.tag[:60]!r}")
    found = {e.get("id", f"instance-{i}"): e for i, e in enumerate(root.findall("instance"), 1)}
    icons, places, seen = [], {}, set()
    for icon in root.findall("icon"):
        element = found.get(icon.get("instance", ""))
        name = icon.get("id", "icon")
        if element is None:
            raise GraphError(f"icon {name[:60]!r} is of instance {icon.get('instance', '')[:60]!r}, which is not there")
        icons.append(_instance(element, name))
        seen.add(element.get("id", ""))
        places[name] = (_coordinate(icon.get("xpos")), _coordinate(icon.get("ypos")))
    icons += [_instance(e, name.removesuffix("_instance")) for name, e in found.items() if name not in seen]
    return Icons(tuple(icons), places, root.tag == "ProcessingHistory")


def _coordinate(text: str | None) -> float:
    try:
        return max(-1e6, min(1e6, float(text or "0")))
    except ValueError:
        return 0.0


def _instance(element: Element, name: str) -> Instance:
    parameters: dict[str, str] = {}
    tables: dict[str, Rows] = {}
    members: list[Instance] = []
    rest: list[tuple[str, str]] = []
    description = ""
    for child in element:
        key = child.get("id", "")
        if child.tag == "parameter" and key:
            parameters[key] = child.get("value") or child.text or ""
        elif child.tag == "table" and key:
            tables[key] = tuple(_row(tr) for tr in child.findall("tr"))
        elif child.tag == "instance":
            members.append(_instance(child, f"{name}-{len(members) + 1}-{child.get('class', 'process')}"))
        elif child.tag == "description":
            description = (child.text or "").strip()
        elif child.tag != "time":
            said = " ".join(f"{k}={v}" for k, v in child.attrib.items())
            rest.append((child.tag, f"{(child.text or '').strip()} {said}".strip()))
    return Instance(
        name, element.get("class", ""), parameters, tables, tuple(members), tuple(rest), description,
        enabled=element.get("enabled", "true").lower() != "false",
    )  # fmt: skip


def _row(tr: Element) -> dict[str, str]:
    return {td.get("id", str(i)): td.get("value") or td.text or "" for i, td in enumerate(tr.findall("td"))}


def _parsed(data: bytes) -> Element:
    """Return the root element; names without their namespace."""
    builder = TreeBuilder()
    depth = elements = instances = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements, instances
        depth, elements, instances = depth + 1, elements + 1, instances + tag.endswith("instance")
        if depth > DEEPEST or elements > MOST_ELEMENTS:
            raise GraphError(f"the XML has more than {MOST_ELEMENTS:,} elements or {DEEPEST} levels")
        if instances > MOST_INSTANCES:
            raise GraphError(f"at most {MOST_INSTANCES:,} instances of processes are read, the file has more")
        builder.start(tag.rpartition("}")[2], attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag.rpartition("}")[2])

    def refuse(*_: object) -> None:
        raise GraphError("the XML has a document type, which icons do not have: it is not read any further")

    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(data, True)
    return builder.close()
