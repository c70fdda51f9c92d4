"""CommonMode: what all pixels of a frame share is taken out: its sky and its transparency."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Frame, Known, ParameterError, Port, Process, Tile


class CommonMode(Process, id="time.common_mode"):
    """Bring a frame of a series to the common level: ``(y - sky) / gain``, by the table of FrameSeriesMeasures.

    Black becomes the sky's level. A sky that was measured in cells is interpolated between their middles. Frames of
    which no sky or no transparency is known become missing samples.
    """

    inputs = (
        Port("image", doc="a frame, or the series that was measured"),
        Port("measures", "table", doc="from FrameSeriesMeasures, of the whole series"),
    )
    requires = "linear"
    maskable = False

    def frame(self, known: Known) -> Frame:
        frame = known.of("image")
        return frame.with_(bounds=None if frame.bounds is None else (0.0, frame.hi - frame.lo))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        image, table, index = tiles[0], known.values["measures"], known.index or 0
        gains = table["columns"]["gain"]
        if index >= len(gains):
            raise ParameterError(f"CommonMode: image {index} of the series is linked, the table is of {len(gains)}")
        sky, gain = np.asarray(table["sky"], np.float64)[index], float(gains[index])
        if not (gain > 0.0 and np.isfinite(sky).all()):
            return np.full(image.shape, np.nan, np.float32)
        made = np.empty(image.shape, np.float32)
        for c, plane in enumerate(image):
            made[c] = (plane - self._level(sky[min(c, len(sky) - 1)], known)) / gain
        return made

    def _level(self, cells: npt.NDArray[np.float64], known: Known) -> Any:
        """Return the sky within the box, interpolated between the middles of *cells*, level beyond the outermost."""
        if cells.size == 1:
            return float(cells[0, 0])
        frame, box = known.of("image"), known.box
        y = (np.arange(box.y0, box.y1) + 0.5) * len(cells) / frame.height - 0.5
        x = (np.arange(box.x0, box.x1) + 0.5) * cells.shape[1] / frame.width - 0.5
        y, x = np.clip(y, 0.0, len(cells) - 1.0), np.clip(x, 0.0, cells.shape[1] - 1.0)
        j, i = np.minimum(y.astype(int), len(cells) - 2), np.minimum(x.astype(int), cells.shape[1] - 2)
        v, u = (y - j)[:, None], (x - i)[None, :]
        rows = cells[j] * (1.0 - v) + cells[j + 1] * v
        return rows[:, i] * (1.0 - u) + rows[:, i + 1] * u
