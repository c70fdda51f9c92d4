"""What references give: entries of Values, parameters, sizes of images, figures of frames, variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import LinkError
from ..params import Spec
from .entries import Entry, entry_of, row_of
from .functions import Quantity
from .references import FRAME_WORDS, Meaning, Names
from .tree import Reference
from .units import ONE, Unit, unit_of

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..frame import Frame
    from ..steps import Feed, Plan
    from ..wiring import Wiring

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parameter is about to be used: a node, and the frame that it is at.

    Attributes
    ----------
    node
        The node.
    frame, count
        Which frame of how many; None and 1 where the node is not mapped over a series.
    image
        The feeds of its first image at that frame.
    element
        The feed of the frame itself; None where the node is not mapped over a series.
    """

    node: str
    frame: int | None = None
    count: int = 1
    image: tuple[Feed, ...] = ()
    element: Feed | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What a reference gave.

    Attributes
    ----------
    entry
        Its value; samples of images are counted in the range of their image.
    unit
        None where it takes any, as variables do.
    bounds
        The range of the image, where the unit has to do with one.
    kind
        What it is, for messages.
    steps
        The steps whose Values it is of.
    """

    entry: Entry
    unit: Unit | None
    bounds: Bounds | None = None
    kind: str = "a number"
    steps: tuple[int, ...] = ()


@dataclass
class Reader:
    """Gives what references mean in one graph, of what is known so far."""

    graph: Wiring
    plan: Plan
    parameter: Callable[[Place, str, str], Any]
    """Returns a parameter as it takes effect, read from a place."""
    evaluation: Evaluation | None = None
    _names: Names | None = None
    _known: dict[tuple[Meaning, int | None, int], Read] = field(default_factory=dict)

    @property
    def names(self) -> Names:
        if self._names is None:
            self._names = Names(self.graph)
        return self._names

    def read(self, reference: Reference, place: Place) -> Read:
        """Return what *reference* gives at *place*.

        Raises
        ------
        LinkError
            LNK-2, LNK-3 or LNK-6.
        """
        meaning = self.names.meaning(reference, place.node)
        if meaning.kind == "value":
            found = self._value(meaning, place)
        elif meaning.kind == "param":
            spec = self.graph.spec(meaning.node).find().params[meaning.item]
            found = _of_parameter(self.parameter(place, meaning.node, meaning.item), spec)
        elif meaning.kind == "project":
            found = Read(Entry(_plain(self.graph.variables[meaning.item])), None, kind="a variable")
        elif meaning.kind == "image":
            found = self._size(meaning.item, place)
        else:
            found = self._frame(meaning, place)
        return found if reference.channel is None else _channel(found, reference)

    def place_of(self, node: str) -> Place:
        """Return a node as a whole, not at any frame of it."""
        link = self.names.first_image(node)
        return Place(node, None, 1, self.plan.feeds_of(link) if link and link.node in self.plan.outputs else ())

    # -- Values -------------------------------------------------------------------------------------

    def _value(self, meaning: Meaning, place: Place) -> Read:
        feeds = self._feeds(meaning)
        if len(feeds) == 1:
            return self._entry(meaning, feeds[0], 0)
        if len(feeds) == place.count and place.frame is not None:
            return self._entry(meaning, feeds[place.frame], place.frame)
        return _together([self._entry(meaning, f, i) for i, f in enumerate(feeds)], meaning)

    def _feeds(self, meaning: Meaning) -> tuple[Feed, ...]:
        from ..wiring import Link

        feeds = self.plan.feeds_of(Link(meaning.node, meaning.item))
        if not feeds:
            raise LinkError("LNK-2", f"node '{meaning.node}' is absent: an optional source was not given")
        return feeds

    def _entry(self, meaning: Meaning, feed: Feed, index: int) -> Read:
        at = meaning, feed.step, index
        if at not in self._known:
            assert self.evaluation is not None, "Values are read after they were measured"
            process = self.plan.steps[feed.step].process
            value = self.evaluation.value(feed)
            entry = entry_of(value, meaning.path, process.units, f"'{meaning.node}.{meaning.item}'")
            self._known[at] = self._in_range(entry, value, feed.step)
        return self._known[at]

    def _in_range(self, entry: Entry, value: Any, step: int) -> Read:
        """Count samples in the range of the image that they were measured in."""
        unit = unit_of(entry.unit)
        power = unit.image_power
        if not power or not _numeric(entry.value):
            kind = "a number" if _numeric(entry.value) else f"a Value ({type(entry.value).__name__})"
            return Read(entry, unit, None, kind, (step,))
        lo, hi = self._bounds(value, step)
        start, span = (lo if entry.unit == "level" else 0.0), (hi - lo) ** float(power)
        counted = _mapped(lambda v: (v - start) / span, entry.value)
        error = None if entry.error is None else _mapped(lambda v: v / span, entry.error)
        return Read(Entry(counted, entry.unit, error, entry.n, entry.flags), unit, (lo, hi), steps=(step,))

    def _bounds(self, value: Any, step: int) -> Bounds:
        told = value.get("bounds") if isinstance(value, Mapping) else None
        if told is not None:
            return float(told[0]), float(told[1])
        assert self.evaluation is not None, "frames are asked for after their nodes were lowered"
        images = self.evaluation.image_feeds(step)
        bounds = self.evaluation.frame(images[0]).bounds if images else None
        if bounds is None:
            label = self.plan.steps[step].label
            raise LinkError("LNK-3", f"the range of the image that '{label}' measured is not known")
        return bounds

    # -- images and frames --------------------------------------------------------------------------

    def _size(self, word: str, place: Place) -> Read:
        assert self.evaluation is not None, "frames are asked for after their nodes were lowered"
        frames: list[Frame] = [self.evaluation.frame(f) for f in place.image]
        sizes = {float(getattr(f, word)) for f in frames}
        if len(sizes) != 1:
            what = f"differs: {', '.join(f'{s:g}' for s in sorted(sizes))}" if sizes else "is not known here"
            raise LinkError("LNK-6", f"image.{word} {what}", cure="" if sizes else "name a measured Value instead")
        return Read(Entry(sizes.pop()), unit_of("px") if word != "channels" else ONE)

    def _frame(self, meaning: Meaning, place: Place) -> Read:
        if place.frame is None:
            raise LinkError("LNK-2", f"'{place.node}' is not mapped over a series: there is no frame it is at",
                            cure="name the node that measures")  # fmt: skip
        if meaning.item in FRAME_WORDS:
            return Read(Entry(float(place.frame if meaning.item == "index" else place.count)), ONE)
        key = ".".join(meaning.path)
        figures = self.names.frame_figures(place.node)
        rows = [(m, found) for m in figures if (found := self._row(m, meaning.path, place)) is not None]
        if len(rows) == 1:
            return rows[0][1]
        told = ", ".join(f"'{m.node}.{m.item}'" for m in figures)
        if rows:
            raise LinkError("LNK-2", f"'frame.{key}' is in several: {told}", cure=f"say which: {rows[0][0].node}.{key}")
        raise LinkError("LNK-2", f"no figure '{key}' of {place.count} frames in {told}")

    def _row(self, meaning: Meaning, path: tuple[str, ...], place: Place) -> Read | None:
        """Return a figure of the frame that *place* is at, out of one table of all or of a Value a frame."""
        assert self.evaluation is not None and place.frame is not None
        feeds = self._feeds(meaning)
        wanted = Meaning("value", meaning.node, meaning.item, path)
        if len(feeds) == place.count and place.count > 1:
            try:
                return self._entry(wanted, feeds[place.frame], place.frame)
            except LinkError:
                return None
        value = self.evaluation.value(feeds[0])
        entry = row_of(value, path, place.frame, place.count)
        return None if entry is None else self._in_range(entry, value, feeds[0].step)


def _together(reads: list[Read], meaning: Meaning) -> Read:
    """Return the entries of all frames as one, where each is a single number."""
    values = [r.entry.value[0] if _single(r.entry.value) else r.entry.value for r in reads]
    if not all(isinstance(v, bool | int | float) for v in values):
        raise LinkError("LNK-6", f"'{meaning.node}' gives several numbers for each of {len(reads)} frames",
                        cure="take one channel of one frame by a node of its own")  # fmt: skip
    counts = [r.entry.n for r in reads if r.entry.n is not None]
    bounds = {r.bounds for r in reads}
    entry = Entry(tuple(values), reads[0].entry.unit, None, min(counts) if counts else None)
    steps = tuple(i for r in reads for i in r.steps)
    return Read(entry, reads[0].unit, bounds.pop() if len(bounds) == 1 else None, steps=steps)


def _single(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 1


def _channel(read: Read, reference: Reference) -> Read:
    value, channel = read.entry.value, reference.channel
    assert channel is not None
    several = value if isinstance(value, tuple) else (value,)
    if channel >= len(several):
        raise LinkError("LNK-6", f"column {reference.column}: '{reference}': there are {len(several)} channels, "
                        "counted from 0")  # fmt: skip
    error = read.entry.error[channel] if isinstance(read.entry.error, tuple) else read.entry.error
    entry = Entry(several[channel], read.entry.unit, error, read.entry.n, read.entry.flags)
    return Read(entry, read.unit, read.bounds, read.kind, read.steps)


def _of_parameter(value: Any, spec: Spec) -> Read:
    return Read(Entry(_plain(value), spec.unit), unit_of(spec.unit), kind=f"a parameter ({type(value).__name__})")


def _plain(value: Any) -> Any:
    """Return numbers as expressions take them: whole ones as floats, those of lists as tuples."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, list | tuple) and value and all(isinstance(v, int | float) for v in value):
        return tuple(_plain(v) for v in value)
    return value


def _numeric(value: Quantity) -> bool:
    if isinstance(value, tuple):
        return all(isinstance(v, bool | int | float) for v in value)
    return isinstance(value, bool | int | float)


def _mapped(operation: Callable[[float], float], value: Quantity) -> Quantity:
    return tuple(map(operation, value)) if isinstance(value, tuple) else operation(value)
