"""ReadFrame: one frame of a file that holds many."""

from __future__ import annotations

from pathlib import Path

from ...engine.api import Frame, Known, ParameterError, Port, Process, SourceError, Tile, param
from ._frame_file import BYTE_ORDERS, STAMPS, ByteOrder, FrameFile, FrameOptions, Stamps
from ._frame_files import FRAME_FILES
from .read_image import STATES, StateChoice


class ReadFrame(Process, id="io.read_frame"):
    """Read one frame of a FITS cube, a target pixel file or a SER video; only its bytes are read.

    The frame's words tell the middle of its exposure, ``mid_time``, where the file does. Black and white are the
    range of an integer type; for floats that of `range`, which ReadFrames links: all frames have the same.
    """

    inputs = (Port("range", "measures", optional=True, doc="the least and the greatest sample of all frames"),)
    maskable = False

    path: str = param(file="input", doc="the file")
    index: int = param(default=0, low=0, doc="which frame, from 0")
    hdu: int | str | None = param(default=None, doc="index or name of the HDU that holds the frames; none: the first")
    bounds: tuple[float, float] | None = param(
        default=None, doc="physical values of black and white; none: by the file, else those of `range`"
    )
    state: StateChoice = param(
        default="auto", choices=STATES, doc="whether pixels are proportional to light; auto: they are"
    )
    exposure: float = param(default=0.0, low=0.0, high=1e7, unit="s", doc="of one frame; 0: as the file says")
    stamps: Stamps = param(default="middle", choices=STAMPS, doc="which moment of an exposure a video's stamps mark")
    byte_order: ByteOrder = param(
        default="auto", choices=BYTE_ORDERS, doc="of a video's samples of two bytes; auto: as programs mark it"
    )

    def check(self) -> None:
        if not self.path:
            raise ParameterError("ReadFrame: path must name a file, got ''")
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise ParameterError(f"ReadFrame: bounds must rise from black to white, got {self.bounds}")
        if self.stamps != "middle" and not self.exposure:
            raise ParameterError(f"ReadFrame: stamps of the {self.stamps} want the exposure, got 0 s")

    def share(self) -> float:
        return 1.0 / self._file().count

    def frame(self, known: Known) -> Frame:
        frame = self._file().frame(self.index)
        if self.state != "auto":
            frame = frame.with_(state=self.state)
        bounds = self.bounds or frame.bounds
        measured = known.values.get("range")
        if bounds is None and measured is not None:
            bounds = tuple(measured["bounds"])
        return frame.with_(bounds=bounds)

    def pixels(self, known: Known) -> Tile:
        return self._file().read(self.index, known.box)

    def _file(self) -> FrameFile:
        options = FrameOptions(
            hdu=self.hdu, exposure=self.exposure, stamps=self.stamps, byte_order=self.byte_order
        )
        found = FRAME_FILES.get(Path(self.path), options)
        if found is None:
            raise SourceError(f"{self.path}: it holds one image, not many frames; ReadImage reads it")
        return found
