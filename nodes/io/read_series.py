"""ReadSeries: many image files as one ordered series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Composite, ParameterError, param
from .read_image import STATES, StateChoice


class ReadSeries(Composite, id="io.read_series", version=1):
    """Read images in the order of *paths*, each by a ReadImage of its own with the same options."""

    inputs = ()
    maskable = False

    paths: tuple[str, ...] = param(default=(), file="input", doc="the files, in order")
    hdu: int | str | None = param(default=None, doc="index or name of the image within each file; none: the first")
    bounds: tuple[float, float] | None = param(
        default=None, doc="physical values of black and white; none: by each file, else measured"
    )
    state: StateChoice = param(
        default="auto",
        choices=STATES,
        doc="whether pixels are proportional to light; auto: 8-bit pictures are stretched",
    )
    optional: bool = param(default=False, doc="with no paths, the series is absent instead of missing")

    def check(self) -> None:
        if not self.paths and not self.optional:
            raise ParameterError("ReadSeries: paths must name at least one file, got none")
        empty = [i for i, path in enumerate(self.paths) if not path]
        if empty:
            raise ParameterError(f"ReadSeries: paths must not be empty, got '' at {empty}")
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise ParameterError(f"ReadSeries: bounds must rise from black to white, got {self.bounds}")

    def expand(self, add: Any, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        options = {"hdu": self.hdu, "bounds": self.bounds, "state": self.state}
        frames = [
            add("io.read_image", f"frame-{i}", path=path, **options)["image"] for i, path in enumerate(self.paths, 1)
        ]
        return {"image": tuple(frames)}
