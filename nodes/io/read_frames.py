"""ReadFrames: files that hold many frames, and files of one, as one series."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...engine.api import Composite, ParameterError, Port, param
from ._frame_file import BYTE_ORDERS, STAMPS, ByteOrder, FrameOptions, Stamps
from ._frame_files import FRAME_FILES
from ._selection import QUALITIES, Quality, Selection
from .read_image import STATES, StateChoice


class ReadFrames(Composite, id="io.read_frames"):
    """Read the frames of FITS cubes, target pixel files, SER videos and single images, in the order of *paths*.

    Each frame is a ReadFrame (of a file of one image, a ReadImage) of its own, which reads its bytes only. A FITS
    image of three axes is a cube of frames unless it is a colour picture of three planes. Of target pixel files
    those rows are left out that have no time or no finite pixel, or a QUALITY other than 0; `frames` lists both.
    Files are opened when the graph is planned, for that tells how many frames there are.
    """

    inputs = ()
    outputs = (
        Port("image", doc="the series"),
        Port("frames", "table", doc="which frame of which file each is, and what the files tell of it"),
    )
    maskable = False

    paths: tuple[str, ...] = param(default=(), file="input", doc="the files, in order")
    hdu: int | str | None = param(default=None, doc="index or name of the HDU that holds the frames; none: the first")
    quality: Quality = param(default="zero", choices=QUALITIES, doc="zero: frames with a quality flag are left out")
    first: int = param(default=0, low=0, doc="how many of the frames that are left to pass over")
    count: int = param(default=0, low=0, doc="how many of them to take; 0: all")
    step: int = param(default=1, low=1, doc="take every so many")
    bounds: tuple[float, float] | None = param(
        default=None, doc="physical values of black and white; none: by each file, else measured"
    )
    state: StateChoice = param(
        default="auto", choices=STATES, doc="whether pixels are proportional to light; auto: 8-bit pictures are not"
    )
    exposure: float = param(default=0.0, low=0.0, high=1e7, unit="s", doc="of one frame; 0: as the files say")
    stamps: Stamps = param(default="middle", choices=STAMPS, doc="which moment of an exposure a video's stamps mark")
    byte_order: ByteOrder = param(
        default="auto", choices=BYTE_ORDERS, doc="of a video's samples of two bytes; auto: as programs mark it"
    )
    optional: bool = param(default=False, doc="with no paths, the series is absent instead of missing")

    def check(self) -> None:
        if not self.paths and not self.optional:
            raise ParameterError("ReadFrames: paths must name at least one file, got none")
        empty = [i for i, path in enumerate(self.paths) if not path]
        if empty:
            raise ParameterError(f"ReadFrames: paths must not be empty, got '' at {empty}")
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise ParameterError(f"ReadFrames: bounds must rise from black to white, got {self.bounds}")
        if self.stamps != "middle" and not self.exposure:
            raise ParameterError(f"ReadFrames: stamps of the {self.stamps} want the exposure, got 0 s")

    def expand(self, add: Any, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        options = FrameOptions(
            hdu=self.hdu, exposure=self.exposure, stamps=self.stamps, byte_order=self.byte_order
        )
        selection = Selection.of(self.paths, options, self.quality, self.first, self.count, self.step)
        common = {"hdu": self.hdu, "bounds": self.bounds, "state": self.state}
        video = {"exposure": self.exposure, "stamps": self.stamps, "byte_order": self.byte_order}
        ranges: dict[int, Any] = {}
        frames = []
        for n, (f, index) in enumerate(selection.frames, 1):
            path = self.paths[f]
            file = FRAME_FILES.get(Path(path), options)
            if file is None:
                frames.append(add("io.read_image", f"frame-{n}", path=path, **common)["image"])
                continue
            more = {}
            if file.base.bounds is None and self.bounds is None:
                if f not in ranges:
                    ranges[f] = add("io.frame_range", f"range-{f + 1}", path=path, hdu=self.hdu)["range"]
                more = {"range": ranges[f]}
            frames.append(
                add("io.read_frame", f"frame-{n}", path=path, index=index, **common, **video, **more)["image"]
            )
        chosen = {"quality": self.quality, "first": self.first, "count": self.count, "step": self.step}
        table = add("io.frame_table", "frames", paths=self.paths, hdu=self.hdu, **chosen)["table"]
        return {"image": tuple(frames), "frames": table}
