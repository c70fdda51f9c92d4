"""What a process is: a declaration, and answers to up to four questions.

1. `frame`: what comes out?
2. `needs`: which part of an input does an output box depend on?
3. `measure`, `merge`, `finish`: what must be known of the whole images first?
4. `pixels` (or `pixel`): the arithmetic.

The kind of a process follows from what it answers; nothing else has to be told.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, dataclass_transform

import numpy as np
import numpy.typing as npt

from .errors import ParameterError
from .frame import Frame, State
from .grids import GridMap, SameGrid
from .order import Wanted
from .params import Spec, checked, param, specs_of
from .ports import Port
from .region import Box

if TYPE_CHECKING:
    from .summaries import Summary

Tile = npt.NDArray[np.float32]
"""Pixels of one box: float32, ``(channels, rows, columns)``, C order. Never changed in place by a process."""

Edge = Literal["mirror", "nearest", "missing"]
Arguments = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Again:
    """What `finish` returns when another pass over the pixels is needed; *state* is `Known.state` in that pass."""

    state: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What the writer of a file is to put beside the pixels.

    Attributes
    ----------
    data
        JSON text in ASCII, from which the file can be made again; empty for none.
    history
        The same for people, in lines.
    private
        Whether the file must not tell where it was made: folders, site, observer.
    """

    data: bytes = b""
    history: tuple[str, ...] = ()
    private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a process may rely on while it answers.

    Attributes
    ----------
    frames
        The frame of each linked image port; for a `many` port a tuple of frames.
    values
        The linked Value of each linked Value port (a tuple for a `many` port).
    measured
        What `finish` returned; None before that (while `frame` is asked early, or for processes
        that measure nothing).
    frame
        The frame of the output port asked for (in `needs`, `pixels`, `arguments`).
    port
        The output port asked for.
    box
        In `pixels`: the output box. In `measure`: the box of the tiles.
    state
        In `measure` and `finish`: the state of the `Again` that asked for this pass; None in the first.
    index
        Which frame of a series this is, from 0; None outside a series.
    maps
        For each pair of ports in `relates`: how the image of the first lies on that of the second; None where no
        path of processes leads from one to the other.
    provenance
        In `writer`: what the file is to tell of its making; None for nothing.
    """

    frames: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    measured: Any = None
    frame: Frame = field(default_factory=lambda: Frame(width=0, height=0))
    port: str = "image"
    box: Box = field(default_factory=lambda: Box(0, 0, 0, 0))
    state: Any = None
    index: int | None = None
    maps: Mapping[tuple[str, str], GridMap | None] = field(default_factory=dict)
    provenance: Provenance | None = None

    def of(self, port: str) -> Frame:
        """Return the frame linked to the single image port *port*."""
        found: Frame = self.frames[port]
        return found


class Writer(Protocol):
    """Takes the pixels of one output file, strip by strip, in any order, from any thread or process.

    Instances are pickled into worker processes, so they hold paths and numbers, and open files on use.
    A writer may have an attribute ``exact``: type and first byte of the samples where its file holds them as plain
    float32 planes. Such a file is read in later runs instead of making its pixels again, as long as it is not touched.
    """

    @property
    def path(self) -> Path:
        """The final name of the file."""

    def write(self, box: Box, tile: Tile) -> None:
        """Put *tile* (physical values) at *box*; boxes are full-width strips and never overlap."""

    def finish(self) -> None:
        """Make the file appear under its final name, whole."""

    def abandon(self) -> None:
        """Remove everything written so far."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(param,))
class Process:
    """A kind of operation. Subclasses are frozen dataclasses of their parameters.

    Class attributes
    ----------------
    inputs, outputs
        Ports in order. Tiles reach `pixels` and `measure` in the order of the linked-or-not image inputs.
    requires
        ``linear`` or ``stretched`` where the first image input must be so.
    gives
        The state of the output; None keeps that of the input.
    edge
        What stands beyond the image where `needs` reaches outside: mirrored rows, the nearest pixel, or
        missing (NaN).
    units
        Of plain numbers in the Values that it gives, by key; left out: pure numbers. ``level`` is a sample of the
        image (it has the image's black taken off where samples are counted in the image's range), ``image`` a
        difference of two.
    maskable
        Whether the engine may blend the result with the first input by a mask or within a region. A process with
        an input `mask` of its own takes the mask itself.
    dear
        Whether making pixels takes so much longer than reading them that they are held in memory between passes.
    draws
        Whether the images of `many` ports come as a `Drawn`, which pulls one at a time when it is asked for, instead
        of a tuple of tiles: for series of hundreds of images.
    statistics
        Where all that is measured are the median, quantiles and MAD of the nominal channels of the only image input:
        which. The process makes its Value of them by `summarised`: they may be found without a pass over the image.
    rises
        Says of the arguments of `pixel` whether it never falls where the sample rises, not even by rounding: so do sums
        and products with constants, and limits, but not quotients of samples. None: it is not known.
    relates
        Pairs of image inputs whose pixel grids are to be related; see `Known.maps`.
    """

    id: ClassVar[str] = ""
    version: ClassVar[int] = 0
    params: ClassVar[dict[str, Spec]] = {}
    inputs: ClassVar[tuple[Port, ...]] = (Port("image"),)
    outputs: ClassVar[tuple[Port, ...]] = (Port("image"),)
    requires: ClassVar[State | None] = None
    gives: ClassVar[State | None] = None
    edge: ClassVar[Edge] = "mirror"
    units: ClassVar[Mapping[str, str]] = {}
    maskable: ClassVar[bool] = True
    dear: ClassVar[bool] = False
    draws: ClassVar[bool] = False
    statistics: ClassVar[Wanted | None] = None
    relates: ClassVar[tuple[tuple[str, str], ...]] = ()
    pixel: ClassVar[Callable[..., Any] | None] = None
    rises: ClassVar[Callable[..., bool] | None] = None

    def __init_subclass__(cls, *, id: str = "", version: int = 1) -> None:
        cls.id, cls.version = id, version
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)
        cls.params = specs_of(cls)
        clash = set(cls.params) & {p.name for p in (*cls.inputs, *cls.outputs)}
        clash |= set(cls.params) & {"name", "mask", "region"}
        if clash:
            raise TypeError(f"{cls.__name__}: {sorted(clash)} name both a parameter and a port")

    def __post_init__(self) -> None:
        for spec in self.params.values():
            value = checked(spec, getattr(self, spec.name), type(self).__name__)
            object.__setattr__(self, spec.name, value)
        self.check()

    # -- building ---------------------------------------------------------------------------------

    @classmethod
    def build(cls, values: Mapping[str, Any]) -> Process:
        """Make an instance from parameter *values*, naming every unknown or missing parameter."""
        unknown = sorted(set(values) - set(cls.params))
        if unknown:
            raise ParameterError(
                f"{cls.__name__} has no parameter {', '.join(map(repr, unknown))}; "
                f"it has {', '.join(cls.params) or 'none'}"
            )
        missing = [s.name for s in cls.params.values() if s.required and s.name not in values]
        if missing:
            raise ParameterError(f"{cls.__name__} wants parameter {', '.join(map(repr, missing))}, got none")
        return cls(**values)

    def check(self) -> None:
        """Raise ParameterError where parameters do not fit each other; called once, at construction."""

    def files(self) -> tuple[str, ...]:
        """Return the paths of all files that the parameters name, inputs and outputs."""
        given = [getattr(self, s.name) for s in self.params.values() if s.file]
        return tuple(p for one in given if one for p in ((one,) if isinstance(one, str) else one))

    def share(self) -> float:
        """Return which part of the input files it names a source reads for its whole image. Default: all."""
        return 1.0

    # -- 1. what comes out ------------------------------------------------------------------------

    def frame(self, known: Known) -> Frame:
        """Return the frame of image output `known.port`. Default: that of the first image input."""
        for port in self.inputs:
            if port.is_image and port.name in known.frames:
                linked = known.frames[port.name]
                first: Frame = linked[0] if isinstance(linked, tuple) else linked
                return first
        raise NotImplementedError(f"{type(self).__name__} must say its frame: it has no image input")

    def grid_map(self, port: str, at: int, known: Known) -> GridMap | None:
        """Return how the image linked to *port* lies on the output `known.port`; of a `many` port, image *at*.

        Places of things are carried through a graph by it. Default: pixel on pixel where both are of one size, else
        None, which says that it is not known. A process that moves what an image shows answers itself, even where
        the size stays.
        """
        linked = known.frames[port]
        source: Frame = linked[at] if isinstance(linked, tuple) else linked
        return SameGrid() if source.same_size(known.frame) else None

    # -- 2. what is needed ------------------------------------------------------------------------

    def needs(self, box: Box, port: str, known: Known) -> Box | tuple[Box, ...]:
        """Return the box of input *port* on which output *box* depends. Default: the same box.

        For a `many` port either one box for all images or a tuple with a box for each; an image of which
        nothing is needed (an empty box) is not pulled.

        It may reach beyond the input; the engine fills what lies outside as `edge` says, so the tile
        that arrives always has exactly this box's size.
        """
        return box

    # -- 3. what must be known first --------------------------------------------------------------

    def measures(self, known: Known) -> bool:
        """Return whether pixels have to be measured first. Default: whether `measure` is answered."""
        return type(self).measure is not Process.measure

    def looks(self, known: Known) -> bool:
        """Return whether the pass that `known.state` asks for only looks at some rows, and another is to follow.

        Measures that go over all pixels wait for such a look, to share the pass that follows. Default: no.
        """
        return False

    def measure(self, known: Known, *tiles: Any) -> Any:
        """Return what one measuring tile tells (plain data and numpy arrays).

        Tiles come in the order of the image inputs; None for an unlinked one, a tuple for a `many` port.
        A process without image inputs is asked for each tile of its own output frame; one that answers `foresee`
        is given its own pixels of it.
        """
        raise NotImplementedError

    def merge(self, a: Any, b: Any) -> Any:
        """Return what two partial measures tell together; may change and return *a*."""
        raise NotImplementedError

    def finish(self, partial: Any, known: Known) -> Any:
        """Return the Value measured, or `Again(state)` for another pass."""
        raise NotImplementedError

    def foresee(self, known: Known) -> Any:
        """Return the Value that `finish` will very likely return, found by reading a little; None where it is open.

        Only for processes without image inputs whose Value shows in nothing but the frame of their image. Measures
        that wait for the Value then go ahead; they are dropped where the frame turns out to be another.
        """
        return None

    def summarised(self, known: Known, found: list[Summary]) -> Any:
        """Return the Value that follows from the statistics of each channel; see `statistics`."""
        raise NotImplementedError

    def compute(self, known: Known) -> Any:
        """Return the Value of a process that needs Values and frames only, no pixels."""
        raise NotImplementedError

    def value(self, port: str, measured: Any) -> Any:
        """Return the Value of output *port* out of what `finish` or `compute` returned. Default: all of it."""
        return measured

    # -- 4. the arithmetic ------------------------------------------------------------------------

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        """Return the pixels of `known.box` of output `known.port`, as a new tile."""
        raise NotImplementedError

    def arguments(self, known: Known, channel: int) -> Arguments | None:
        """Return the arguments of `pixel` after the sample, for *channel*; None leaves the channel as it is."""
        return ()

    def plane(self, known: Known, channel: int) -> tuple[str, int] | None:
        """Return the port and the channel that output *channel* is a copy of; None where it is computed.

        For processes that put channels together or take them out: `pixels` must give the same, but is asked only
        where the engine does not go through to the inputs.
        """
        return None

    # -- sinks, series and composites -------------------------------------------------------------

    def writer(self, known: Known) -> Writer:
        """Return what takes the pixels of a sink (a process with image inputs and no outputs)."""
        raise NotImplementedError

    @classmethod
    def answers(cls, question: str) -> bool:
        """Return whether *cls* answers *question* (the name of a method) itself."""
        return getattr(cls, question) is not getattr(Process, question)


class Expand(Protocol):
    """What a composite uses to add its parts: process name, part name, then parameters and feeds."""

    def __call__(self, process: str, name: str, /, **feeds_and_params: Any) -> Any: ...


class Composite(Process):
    """What users know as one process, made of smaller ones, so that parts are stored, shared and tested apart."""

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add the parts and return the feed of each output port (a tuple for a series).

        `add("io.read_image", "frame", path=...)` returns the part's outputs by port name;
        *feeds* are the linked inputs by port, to be handed on as they are.
        """
        raise NotImplementedError
