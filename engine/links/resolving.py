"""From links to the values of parameters, once what they read is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import LinkError
from ..params import Spec, wanted_text
from .computing import clamped, computed, is_finite, is_number, text_of
from .converting import program_of
from .elements import Elements
from .grammar import parse
from .parameter import ParameterLink, TakenFrame
from .reading import Place, Read, Reader
from .taking import in_range, shaped
from .units import ONE, Unit

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..steps import Plan
    from ..wiring import Wiring


class Input(NamedTuple):
    """What one reference gave."""

    reference: str
    value: Any
    unit: str
    error: Any = None
    n: int | None = None


class Resolved(NamedTuple):
    """What a link gave.

    Attributes
    ----------
    node, param, frame
        Whose parameter it is; the frame of a series, None where there is only one.
    expr
        The expression that held: that of the link, or its fallback.
    value, unit
        What the parameter is set to.
    error, n
        Standard error of the value by first-order propagation; the fewest pixels or stars behind it. None where the
        Values that were read do not tell.
    how
        ``expression``, ``clamp``, ``fallback``, ``deadband`` or ``frozen``.
    inputs
        What the references gave.
    steps
        The steps whose Values were read.
    source
        Digest of the images that were measured; empty where it was not asked for.
    element
        What the frame is called, see `Elements`.
    """

    node: str
    param: str
    frame: int | None
    expr: str
    value: Any
    unit: str = ""
    error: Any = None
    n: int | None = None
    how: str = "expression"
    inputs: tuple[Input, ...] = ()
    steps: tuple[int, ...] = ()
    source: str = ""
    element: str = ""


@dataclass
class Resolver:
    """Follows the links of one graph; remembers what they gave.

    Attributes
    ----------
    done
        (node, parameter) -> frame (None where there is only one) -> what its link gave.
    """

    graph: Wiring
    plan: Plan
    evaluation: Evaluation | None = None
    done: dict[tuple[str, str], dict[int | None, Resolved]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reader = Reader(self.graph, self.plan, self.parameter)
        self._elements = Elements(self.plan)

    def know(self, evaluation: Evaluation) -> None:
        """Take note of what is known by now."""
        self.evaluation = self.reader.evaluation = evaluation

    def results(self) -> tuple[Resolved, ...]:
        """Return what all links gave that were followed, by node and parameter."""
        return tuple(r for _, frames in sorted(self.done.items()) for r in frames.values())

    def values(self, place: Place) -> dict[str, Any]:
        """Return what the links of a node set its parameters to, at one frame of it.

        Raises
        ------
        LinkError
            A link cannot be followed; names node and parameter.
        """
        links = self.reader.names.links_of(place.node)
        return {param: self.resolved(place, param, link).value for param, link in links.items()}

    def parameter(self, place: Place, node: str, param: str) -> Any:
        """Return another parameter as it takes effect where it is read: by a node at *place*."""
        link = self.reader.names.links_of(node).get(param)
        if link is None:
            spec = self.graph.spec(node)
            declared = spec.find().params[param]
            if param not in spec.params and declared.required:
                raise LinkError("LNK-2", f"parameter '{node}.{param}' has no value")
            return spec.params.get(param, declared.default)
        if node == place.node:
            return self.resolved(place, param, link).value
        if link.frames and place.frame is not None and place.count == len(link.frames):
            return link.frames[place.frame].value
        known = self.done.get((node, param)) or {None: self.resolved(self.reader.place_of(node), param, link)}
        if place.frame in known and (None in known or len(known) == place.count):
            return known[place.frame].value
        values = [r.value for r in known.values()]
        if any(v != values[0] for v in values):
            raise LinkError("LNK-6", f"parameter '{node}.{param}' has another value in each of {len(values)} frames")
        return values[0]

    def resolved(self, place: Place, param: str, link: ParameterLink) -> Resolved:
        """Return what a link gives, which is found out once for each frame."""
        at = self.done.setdefault((place.node, param), {})
        if place.frame not in at:
            spec = self._spec(place.node, param)
            try:
                at[place.frame] = self._followed(place, spec, link)
            except LinkError as e:
                if e.node:
                    raise
                unit = f" in {spec.unit}" if spec.unit else ""
                raise e.at(place.node, param, f"{wanted_text(spec)}{unit}") from e
        return at[place.frame]

    def _spec(self, node: str, param: str) -> Spec:
        process = self.reader.names.process(node)
        if param not in process.params:
            has = ", ".join(process.params) or "none"
            raise LinkError("LNK-2", f"{process.__name__} has no such parameter", node=node, param=param,
                            cure=f"it has {has}")  # fmt: skip
        return process.params[param]

    # -- one link -----------------------------------------------------------------------------------

    def _followed(self, place: Place, spec: Spec, link: ParameterLink) -> Resolved:
        if link.mode == "frozen":
            return self._frozen(place, spec, link)
        found = self._tried(place, spec, link, link.expr)
        if isinstance(found, Resolved):
            return self._steady(found, link)
        if link.fallback:
            second = self._tried(place, spec, link, link.fallback, "fallback")
            if isinstance(second, Resolved):
                return second
            raise LinkError("LNK-5", f"'= {link.expr}': {found}; fallback '{link.fallback}': {second}")
        raise LinkError("LNK-5", f"'= {link.expr}' {found}", cure="give the link a clamp or a fallback")

    def _steady(self, found: Resolved, link: ParameterLink) -> Resolved:
        """Return what a link gives while somebody drags: its last value where it changed by less than its dead band."""
        last = self.graph.link_values.get((found.node, found.param))
        if not (self.graph.dragged and link.deadband and found.frame is None) or last is None:
            return found
        pairs = list(zip(_numbers(found.value), _numbers(last), strict=False))
        alike = len(pairs) == len(_numbers(found.value)) == len(_numbers(last)) > 0
        near = alike and all(abs(a - b) < link.deadband for a, b in pairs)
        return found._replace(value=last, how="deadband") if near else found

    def _frozen(self, place: Place, spec: Spec, link: ParameterLink) -> Resolved:
        if link.frames:
            return self._frozen_frame(place, spec, link)
        params = self.graph.spec(place.node).params
        if spec.name not in params:
            why = f"'= {link.expr}' is frozen, and no value was kept"
            raise LinkError("LNK-2", why, cure="set a value, or thaw it")
        told = link.taken
        return Resolved(
            node=place.node, param=spec.name, frame=place.frame, expr=link.expr, value=params[spec.name],
            unit=told.unit if told else spec.unit, error=told.error if told else None, n=told.n if told else None,
            how="frozen",
        )  # fmt: skip

    def _frozen_frame(self, place: Place, spec: Spec, link: ParameterLink) -> Resolved:
        """Return what was kept of the frame that *place* is at, if it is that of which it was kept."""
        kept, element = link.frames, self._element(place)
        one = kept[min(place.frame or 0, len(kept) - 1)]
        if (why := _other_series(place, kept)) or (one.frame and element and one.frame != element):
            why = why or f"frame {(place.frame or 0) + 1} was '{one.frame}', and is '{element}' now"
            told = f"'= {link.expr}' was frozen for the {len(kept)} frames of a series: {why}"
            raise LinkError("LNK-6", told, cure="give it that series; or thaw it, and freeze it for this one")
        return Resolved(
            node=place.node, param=spec.name, frame=place.frame, expr=link.expr, value=one.value,
            unit=link.taken.unit if link.taken else spec.unit, error=one.error, n=one.n, how="frozen", element=element,
        )  # fmt: skip

    def _element(self, place: Place) -> str:
        return "" if place.element is None else self._elements.name(place.element.step)

    def _tried(self, place: Place, spec: Spec, link: ParameterLink, text: str, how: str = "") -> Resolved | str:
        """Return what an expression gives, or why that cannot be taken: not finite, or out of range."""
        expression = parse(text)
        reads = [self.reader.read(r, place) for r in expression.references]
        inputs = tuple(
            Input(reference=str(r), value=x.entry.value, unit=_told(x.unit), error=x.entry.error, n=x.entry.n)
            for r, x in zip(expression.references, reads, strict=True)
        )
        error: Any = None
        if expression.bare is not None and not is_number(reads[0].entry.value):
            value: Any = reads[0].entry.value
        else:
            part, factor = program_of(expression, reads, spec, link)
            value, error = computed(part, factor, [x.entry for x in reads], expression)
            if not is_finite(value) and not how and link.clamp is None:
                return f"is {text_of(value)}{_flags(reads)}"
            held = value if how or link.clamp is None else clamped(value, link.clamp)
            if held != value:
                value, how, error = held, how or "clamp", None
            if not is_finite(value):
                return f"is {text_of(value)}{_flags(reads)}"
        made = shaped(spec, value)
        if why := in_range(spec, made):
            return why
        counts = [x.entry.n for x in reads if x.entry.n is not None]
        return Resolved(
            node=place.node, param=spec.name, frame=place.frame, expr=text, value=made, unit=spec.unit or link.unit,
            error=error, n=min(counts) if counts else None, how=how or "expression", inputs=inputs,
            steps=tuple(dict.fromkeys(i for x in reads for i in x.steps)), element=self._element(place),
        )  # fmt: skip


def _other_series(place: Place, kept: tuple[TakenFrame, ...]) -> str:
    """Return in what a series is another than that of which values were kept; empty where as many frames are there."""
    if place.frame is None:
        return "the node works on one image now, not on each frame of a series"
    return "" if place.count == len(kept) else f"the series has {place.count} frames now"


def _numbers(value: Any) -> list[float]:
    """Return a number, or those of channels; nothing of what is neither."""
    values = value if isinstance(value, tuple) else (value,)
    known = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return known if len(known) == len(values) else []


def _told(unit: Unit | None) -> str:
    return "" if unit is None or unit is ONE else str(unit)


def _flags(reads: list[Read]) -> str:
    told = "; ".join(dict.fromkeys(x.entry.flags for x in reads if x.entry.flags))
    return f" ({told})" if told else ""


def changed_params(links: Mapping[tuple[str, str], Mapping[int | None, Resolved]]) -> dict[tuple[str, str], Any]:
    """Return the parameters that links set to one value, whatever the frame: (node, parameter) -> value."""
    found = {}
    for at, frames in links.items():
        values = [r.value for r in frames.values()]
        if values and all(v == values[0] for v in values):
            found[at] = values[0]
    return found
