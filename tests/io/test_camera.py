"""Camera raws: mosaics made here as DNG files, and one real camera's file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lerarlink.engine.api import Box, SourceError
from lerarlink.nodes.io._camera import open_camera_raw
from lerarlink.nodes.io._formats import open_reader

pytest.importorskip("rawpy")

XTRANS = "GBGGRGRGRBGBGBGGRGGRGGBGBGBRGRGRGGBG"


def dng(path: Path, mosaic: np.ndarray, letters: str) -> None:
    """Write *mosaic* as a DNG file whose filters are *letters*."""
    side = 2 if len(letters) == 4 else 6
    matrix = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)
    tags = [
        (33421, 3, 2, (side, side), True), (33422, 1, len(letters), bytes("RGB".index(c) for c in letters), True),
        (50706, 1, 4, bytes([1, 4, 0, 0]), True), (50708, 2, 0, "Test Camera", True), (50714, 4, 1, (64,), True),
        (50717, 4, 1, (4095,), True), (50721, 10, 9, matrix, True), (271, 2, 0, "Acme", True),
        (272, 2, 0, "Night 1", True), (33434, 5, 1, (30, 1), True),
    ]  # fmt: skip
    tifffile.imwrite(path, mosaic, photometric=32803, extratags=tags, metadata=None, rowsperstrip=len(mosaic))


@pytest.mark.parametrize("letters", ["RGGB", "GBRG", "GRBG", "BGGR", XTRANS])
def test_the_mosaic_is_given_as_recorded(tmp_path: Path, letters: str) -> None:
    truth = np.random.default_rng(1).integers(100, 4000, (120, 180)).astype(np.uint16)
    dng(tmp_path / "light.dng", truth, letters)
    reader = open_reader(tmp_path / "light.dng")
    frame = reader.frame
    assert np.array_equal(reader.read(frame.box)[0], truth)
    assert np.array_equal(reader.read(Box(7, 11, 100, 33))[0], truth[7:100, 11:33])
    assert (frame.cfa, frame.bounds, frame.unit, frame.state) == (letters, (0.0, 4095.0), "ADU", "linear")
    assert (frame.word("camera"), frame.word("exposure")) == ("Night 1", 30.0)
    assert frame.card("BLACKLVL") == 64


def test_a_file_of_a_real_camera_is_read(real_data: Callable[[str], Path]) -> None:
    import rawpy

    path = real_data("raw-and-tiff/RAW_KODAK_DC50.KDC")
    reader = open_reader(path)
    with rawpy.imread(str(path)) as raw:
        truth = raw.raw_image_visible.copy()
        colors = raw.raw_colors_visible[:2, :2]
        letters = "".join(chr(raw.color_desc[i]) for i in colors.ravel())
    assert np.array_equal(reader.read(reader.frame.box)[0], truth)
    assert reader.frame.cfa == letters == "GRBG"


def test_finished_colours_and_damage_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "light.dng"
    truth = np.random.default_rng(2).integers(100, 4000, (60, 80)).astype(np.uint16)
    tags = [(50706, 1, 4, bytes([1, 4, 0, 0]), True), (50708, 2, 0, "Test Camera", True)]
    tifffile.imwrite(path, np.stack([truth] * 3, -1), photometric=34892, extratags=tags, metadata=None)
    with pytest.raises(SourceError, match="finished colours"):
        open_camera_raw(path)
    path.write_bytes(b"not a raw file at all" * 100)
    with pytest.raises(SourceError, match="LibRaw cannot read it"):
        open_camera_raw(path)
    with pytest.raises(SourceError, match="one image"):
        open_camera_raw(path, 1)


def test_without_rawpy_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(SourceError, match=r"pip install 'lerarlink\[raw\]'"):
        open_camera_raw(tmp_path / "light.nef")
