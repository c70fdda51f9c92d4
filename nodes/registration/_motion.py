"""What a process asks that is told where a comet goes."""

from __future__ import annotations

from typing import Any, Literal, get_args

from ...engine.api import ParameterError, Process, param

Where = Literal["registered", "images"]
Position = tuple[int, float, float]


class Moving(Process):
    """The parameters that say where a comet goes."""

    positions: tuple[Position, ...] = param(
        default=(), doc="where the comet is, in pixels from 0 at the centre of the first: (image from 0, x, y), ..."
    )
    positions_in: Where = param(
        default="registered", choices=get_args(Where),
        doc="whether places are those in the star-aligned images or in the images as they came",
    )  # fmt: skip
    rate_x: float = param(default=0.0, unit="px/h", doc="motion along x on the reference, where no places are given")
    rate_y: float = param(default=0.0, unit="px/h", doc="motion along y")
    sky_rate: float = param(default=0.0, low=0.0, unit="arcsec/h", doc="motion on the sky, where it is known by that")
    position_angle: float = param(
        default=0.0, low=-360.0, high=360.0, unit="deg", doc="direction of the motion on the sky, north through east"
    )
    anchor: int = param(default=0, low=0, doc="the image, from 0, in which the comet stays where it is")

    def check(self) -> None:
        said = [bool(self.positions), bool(self.rate_x or self.rate_y), self.sky_rate > 0.0]
        if sum(said) > 1:
            raise ParameterError(
                f"{type(self).__name__}: one of positions, rate_x and rate_y, and sky_rate is wanted, "
                f"got {sum(said)} of them"
            )

    def motion(self) -> dict[str, Any]:
        """Return these parameters, to be handed on to a part that asks the same."""
        return {name: getattr(self, name) for name in Moving.params}
