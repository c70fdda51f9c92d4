"""Compiled expressions whose results are in the unit of the parameter that follows them."""

from __future__ import annotations

from ..errors import LinkError
from ..params import Spec
from .computing import is_number
from .parameter import ParameterLink
from .program import Part, compiled
from .reading import Read
from .tree import Expression
from .units import DN, IMAGE, ONE, Unit, unit_of


def program_of(expression: Expression, reads: list[Read], spec: Spec, link: ParameterLink) -> tuple[Part, float]:
    """Return the compiled expression, and what its result is multiplied by to be in the unit of the parameter."""
    for reference, read in zip(expression.references, reads, strict=True):
        if not is_number(read.entry.value):
            what = "text" if isinstance(read.entry.value, str) else read.kind
            raise LinkError("LNK-6", f"column {reference.column}: '{reference}' is {what} and no number",
                            cure="such a reference stands alone: = " + str(reference))  # fmt: skip
    part = compiled(expression, tuple(x.unit for x in reads))
    to_file = part.unit is IMAGE and unit_of(link.unit or spec.unit).factor_to(DN) is not None
    return part, unit_factor(part.unit, spec, link, _span(reads) if to_file else None)


def unit_factor(unit: Unit | None, spec: Spec, link: ParameterLink, span: float | None) -> float:
    """Return what a result in *unit* is multiplied by to be in the unit of the parameter.

    Parameters
    ----------
    unit
        None: a written number, which takes any.
    span
        How many units of the file the range of the image has; None where there is no one such number.

    Raises
    ------
    LinkError
        LNK-3: it does not convert.
    """
    if unit is not None and unit is unit_of(spec.unit) and not link.unit:
        return 1.0
    wanted = unit_of(link.unit or spec.unit)
    if link.unit and spec.unit and wanted.factor_to(unit_of(spec.unit)) is None:
        raise LinkError("LNK-3", f"the link gives '{link.unit}', the parameter is in '{spec.unit}'")
    if unit is None or (link.unit and unit is ONE):
        factor: float | None = 1.0  # a written number takes any unit, a pure number that which the link says it has
    elif unit is IMAGE and wanted.factor_to(DN) is not None:
        factor = span
    else:
        factor = unit.factor_to(wanted)
    if factor is None:
        meant = f"say what the number means: unit '{spec.unit or unit}' of the link"
        cure = "" if spec.unit and unit is not ONE else meant
        raise LinkError("LNK-3", f"the result is in '{unit}', the parameter in '{wanted}'", cure=cure)
    return factor * (wanted.factor_to(unit_of(spec.unit)) or 1.0) if link.unit and spec.unit else factor


def _span(reads: list[Read]) -> float:
    """Return how many units of the file the range of the image has."""
    bounds = {x.bounds for x in reads if x.bounds is not None}
    if len(bounds) != 1 or next(iter(bounds))[0] != 0.0:
        told = " and ".join(f"{lo:g} .. {hi:g}" for lo, hi in sorted(bounds)) or "unknown"
        raise LinkError("LNK-3", f"samples counted in the range of their image ({told}) are no DN",
                        cure="only those of one range that begins at 0 convert")  # fmt: skip
    return next(iter(bounds))[1]
