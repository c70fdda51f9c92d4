"""WriteImage: an image as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ...engine.api import Known, ParameterError, Process, Writer, param
from ._formats import make_writer
from ._reader import WriteOptions


class WriteImage(Process, id="io.write_image", version=1):
    """Write an image to a file whose extension names the format: FITS, XISF, TIFF, PNG or JPEG.

    The file appears under its name when it is whole, replacing what was there; a run that fails leaves
    the old file as it was. Floats keep physical values where the format can declare black and white;
    integers spread black to white over the type's range, with missing samples as 0.

    A series is written frame by frame: ``{index}`` in the path becomes the number of the frame, from 1 and
    with four digits; without it the number is put before the extension.
    """

    outputs = ()
    maskable = False

    path: str = param(file="output", doc="the file; its extension names the format")
    sample_format: Literal["auto", "float32", "uint16", "uint8"] = param(
        default="auto",
        choices=("auto", "float32", "uint16", "uint8"),
        doc="type of the stored samples; auto: float32, and 8 bit for PNG and JPEG",
    )
    compression: str = param(
        default="none",
        identity=False,
        doc="FITS: none, rice, gzip; XISF: none, zlib, lz4, lz4hc, zstd, also with +sh; TIFF: none, deflate",
    )
    quality: int = param(default=90, low=1, high=100, doc="of JPEG")
    overwrite: bool = param(default=True, identity=False, doc="whether a file that is there may be replaced")

    def check(self) -> None:
        if not self.path:
            raise ParameterError("WriteImage: path must name a file, got ''")

    def writer(self, known: Known) -> Writer:
        path = self._numbered(known.index)
        if path.exists() and not self.overwrite:
            raise ParameterError(f"WriteImage: {path} exists, and overwrite is off")
        options = WriteOptions(self.sample_format, self.compression, self.quality, known.provenance)
        return make_writer(path, known.of("image"), options)

    def _numbered(self, index: int | None) -> Path:
        if index is None:
            return Path(self.path)
        number = f"{index + 1:04d}"
        if "{index}" in self.path:
            return Path(self.path.replace("{index}", number))
        path = Path(self.path)
        return path.with_name(f"{path.stem}_{number}{path.suffix}")
