"""Where a frame of a night looks: a turn about its middle and a shift, exact to the last bit of a float."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Placement:
    """How the pixel grid of a frame lies on the nominal one.

    A place (x, y) of the nominal grid is seen at ``R (x - cx, y - cy) + (cx + dx, cy + dy)``, where R turns by
    `turn` and (cx, cy) is the middle of both. Places count from (0, 0) at the centre of the first pixel.
    """

    width: int
    height: int
    turn: float = 0.0
    """Degrees, from the x axis towards the y axis; 180 after a meridian flip."""
    dx: float = 0.0
    dy: float = 0.0

    @property
    def matrix(self) -> Floats:
        """Nominal places -> places of the frame, as a (3, 3) matrix."""
        cos, sin = math.cos(math.radians(self.turn)), math.sin(math.radians(self.turn))
        cx, cy = (self.width - 1) / 2, (self.height - 1) / 2
        return np.array(
            [
                [cos, -sin, cx + self.dx - cos * cx + sin * cy],
                [sin, cos, cy + self.dy - sin * cx - cos * cy],
                [0.0, 0.0, 1.0],
            ]
        )

    @property
    def inverse(self) -> Floats:
        """Places of the frame -> nominal places."""
        return np.asarray(np.linalg.inv(self.matrix))

    def of(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return where the frame sees nominal places."""
        return moved(self.matrix, x, y)

    def nominal(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the nominal places of places of the frame."""
        return moved(self.inverse, x, y)


def between(reference: Placement, frame: Placement) -> Floats:
    """Return the matrix from places of *reference* to places of *frame*: what registration is to find."""
    return np.asarray(frame.matrix @ reference.inverse)


def moved(matrix: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return places moved by an affine (3, 3) matrix."""
    m = matrix
    return m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]
