"""PixInsight's process icons (``.xpsm``) as graphs.

Names of parameters are those of PixInsight's process instances, as its icon files and its open-source modules
(https://gitlab.com/pixinsight/PCL) have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...engine.errors import EngineError, GraphError
from ...engine.graph import Link
from .outcome import Imported, Kind
from .sheet import Sheet
from .xpsm_desk import Desk, Unclear
from .xpsm_frames import PROCESSES as FRAMES
from .xpsm_images import PROCESSES as IMAGES
from .xpsm_pixel_math import pixel_math
from .xpsm_reading import Icons, Instance, read_icons
from .xpsm_values import Reading, kept

_PROCESSES = {**FRAMES, **IMAGES, "PixelMath": pixel_math}
PROCESSES = tuple(sorted([*_PROCESSES, "ImageContainer", "NoOperation", "ProcessContainer", "ScreenTransferFunction"]))
"""Classes of PixInsight that are understood."""


def import_xpsm(data: bytes, *, icons: Iterable[str] = (), chain: bool = False, skip: bool = False) -> Imported:
    """Return the graph of a file of process icons. Nothing is run.

    Icons do not say what they are to be dragged onto: each becomes a branch of its own on the input ``image``.
    The members of a container follow one another, as do the steps of a processing history.

    Parameters
    ----------
    icons
        Names of the icons wanted, in this order; none: all, in the order of the file.
    chain
        Put all icons one after the other, as if they were dragged onto one image in turn.
    skip
        Leave out processes that have no counterpart, instead of putting a placeholder in their place, which keeps
        their parameters and cannot be run.

    Raises
    ------
    GraphError
        The file is none of icons, or has no icon of a name that is wanted.
    """
    found = read_icons(data)
    chosen = _chosen(found, tuple(icons))
    desk = Desk(Sheet(skip=skip))
    for instance in chosen:
        if not (chain or found.ordered):
            desk.begin()
        before = desk.current
        _follow(desk, instance)
        if desk.current is not None and desk.current != before:
            _place(desk.sheet, desk.current, found.places.get(instance.name))
            if not (chain or found.ordered):
                desk.sheet.graph.outputs.append(desk.current.node)
    if (chain or found.ordered) and desk.current is not None:
        desk.sheet.graph.outputs.append(desk.current.node)
        desk.sheet.add("WriteImage", "write-result", image=desk.current, path="result.fits")
    desk.sheet.graph.outputs = list(dict.fromkeys(desk.sheet.graph.outputs))
    desk.sheet.graph.doc = _doc(desk.sheet, chosen)
    return Imported(desk.sheet.graph, tuple(desk.sheet.notes), dict(desk.sheet.places))


def _chosen(found: Icons, names: tuple[str, ...]) -> tuple[Instance, ...]:
    if not names:
        return found.instances
    by_name = {i.name: i for i in found.instances}
    missing = [n for n in names if n not in by_name]
    if missing:
        raise GraphError(f"there is no icon '{missing[0]}'; there are {', '.join(map(repr, by_name)) or 'none'}")
    return tuple(by_name[n] for n in names)


def _follow(desk: Desk, instance: Instance) -> None:
    """Put one instance onto the current image."""
    desk.sheet.where = f"icon {instance.name}"
    if not instance.enabled:
        desk.sheet.note("idle", instance.kind, "switched off")
        return
    if instance.kind == "ProcessContainer":
        for member in instance.members:
            _follow(desk, member)
        desk.sheet.where = f"icon {instance.name}"
        for tag, text in instance.rest:
            desk.sheet.note("unmapped", f"{tag} {text}".strip(), "masks are linked to nodes here: link one to 'mask'")
    elif instance.kind in _IDLE:
        said = instance.description or ", ".join(text for tag, text in instance.rest if tag == "view")
        kind, why = _IDLE[instance.kind]
        desk.sheet.note(kind, f"{instance.kind} ({said})" if said else instance.kind, why)
    elif instance.kind in _PROCESSES:
        _mapped(desk, instance)
    else:
        _placeholder(desk, instance, _MISSING.get(instance.kind, "there is no such process here"))


_IDLE: Mapping[str, tuple[Kind, str]] = {
    "NoOperation": ("idle", "a remark, not a process"),
    "ScreenTransferFunction": ("idle", "only shows; a HistogramTransformation with the same rows changes pixels"),
    "ImageContainer": ("unmapped", "a list of images: give them to the inputs of the graph, one run for each"),
}
_SOURCES = ("NewImage", "SimplexNoise")
_MISSING = {"Script": "a script of PixInsight's, which runs only there"}


def _mapped(desk: Desk, instance: Instance) -> None:
    reading = Reading(desk.sheet, instance)
    before = desk.current
    try:
        made = _PROCESSES[instance.kind](desk, reading)
    except (Unclear, EngineError) as e:
        desk.current = before
        _placeholder(desk, instance, str(e))
        return
    reading.done()
    for tag, text in instance.rest:
        desk.sheet.note("unmapped", f"{instance.kind}: {tag} {text}".strip(), "this part of the icon is not understood")
    desk.current = made


def _placeholder(desk: Desk, instance: Instance, why: str) -> None:
    kind = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in instance.kind)[:80] or "Unknown"
    image = None if instance.kind in _SOURCES else desk.image()
    desk.current = desk.sheet.placeholder(f"pixinsight.{kind}", instance.name, image, kept(instance))
    end = "left out" if desk.sheet.skip else "a placeholder keeps its parameters"
    desk.sheet.note("unmapped", instance.kind, f"{why}: {end}")


def _place(sheet: Sheet, link: Link, at: tuple[float, float] | None) -> None:
    if at is not None and link.node in sheet.graph:
        sheet.graph.layout[link.node] = at


def _doc(sheet: Sheet, chosen: tuple[Instance, ...]) -> str:
    lines = [f"Made of {len(chosen)} process icons of PixInsight."]
    lines += [f"{i.name}: {i.description}" for i in chosen if i.description]
    missing = [str(n) for n in sheet.notes if n.kind == "unmapped"]
    return "\n".join([*lines, *(["What is missing in it:", *missing] if missing else [])])
