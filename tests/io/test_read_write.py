"""ReadImage, ReadSeries and WriteImage: bounds by rule, sources that change, outputs whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from lerarlink.engine.errors import ParameterError, SourceError
from lerarlink.engine.frame import Frame
from lerarlink.engine.graph import Graph
from lerarlink.engine.process import Known
from lerarlink.engine.region import Box, strips
from lerarlink.nodes.io.read_image import ReadImage, _Readers
from lerarlink.nodes.io.read_series import ReadSeries
from lerarlink.nodes.io.write_image import WriteImage

RNG = np.random.default_rng(2)


def save(path: Path, data: Any, **words: object) -> str:
    hdu = fits.PrimaryHDU(np.asarray(data))
    hdu.header.update(words)
    hdu.writeto(path, overwrite=True)
    return str(path)


def measured(process: ReadImage) -> Frame:
    """Return the frame after measuring strip by strip, as the engine does it."""
    frame = process.frame(Known())
    if not process.measures(Known()):
        return frame
    partial = None
    for box in strips(frame.box, 2):
        known = Known(frame=frame, box=box)
        part = process.measure(known, process.pixels(known))
        partial = part if partial is None else process.merge(partial, part)
    return process.frame(Known(measured=process.finish(partial, Known())))


@pytest.mark.parametrize(
    ("values", "bounds"),
    [
        ([[0.0, 0.5], [0.25, 1.0], [0.1, 0.2]], (0.0, 1.0)),
        ([[0.0, 1.0], [0.5, 1.001], [0.0, 0.0]], (0.0, 65535.0)),
        ([[0.0, 70000.0], [-1.0, 2.0], [0.0, 0.0]], (-1.0, 70000.0)),
        ([[-5.0, -5.0], [-5.0, -5.0], [-5.0, -5.0]], (-5.0, -4.0)),
        ([[np.nan, np.nan], [np.nan, np.inf], [np.nan, np.nan]], (0.0, 1.0)),
        ([[np.inf, 3.0], [np.nan, np.nan], [-np.inf, 2.0]], (0.0, 65535.0)),
    ],
)
def test_bounds_of_floats_are_measured_by_rule(
    tmp_path: Path, values: list[list[float]], bounds: tuple[float, float]
) -> None:
    process = ReadImage(path=save(tmp_path / "a.fits", np.array(values, np.float32)))
    assert process.frame(Known()).bounds is None
    assert measured(process).bounds == bounds


def test_what_is_declared_or_asked_for_is_not_measured(tmp_path: Path) -> None:
    floats = save(tmp_path / "f.fits", np.ones((2, 2), np.float32))
    declared = save(tmp_path / "d.fits", np.ones((2, 2), np.float32), LERBLO=-1.0, LERBHI=9.0, LERSTATE="stretched")
    whole = save(tmp_path / "i.fits", np.ones((2, 2), np.uint16))
    for process, bounds in (
        (ReadImage(path=floats, bounds=(0.0, 100.0)), (0.0, 100.0)),
        (ReadImage(path=declared), (-1.0, 9.0)),
        (ReadImage(path=whole), (0.0, 65535.0)),
        (ReadImage(path=whole, bounds=(0.0, 4095.0)), (0.0, 4095.0)),
    ):
        assert not process.measures(Known())
        assert process.frame(Known()).bounds == bounds
    assert ReadImage(path=declared).frame(Known()).state == "stretched"
    assert ReadImage(path=declared, state="linear").frame(Known()).state == "linear"


def test_pixels_are_those_of_the_box(tmp_path: Path) -> None:
    data = RNG.normal(size=(9, 8)).astype(np.float32)
    process = ReadImage(path=save(tmp_path / "a.fits", data))
    np.testing.assert_array_equal(process.pixels(Known(box=Box(2, 1, 7, 8)))[0], data[2:7, 1:8])


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    process = ReadImage(path=save(tmp_path / "a.fits", np.zeros((2, 3), np.uint8)))
    assert process.frame(Known()).width == 3
    save(tmp_path / "a.fits", np.ones((2, 5), np.uint8))
    assert process.frame(Known()).width == 5
    assert process.pixels(Known(box=Box(0, 0, 1, 1)))[0, 0, 0] == 1


@pytest.mark.parametrize(("light", "limit"), [(True, "FRAMES"), (False, "LIMIT")])
def test_readers_are_kept_up_to_a_limit_and_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, light: bool, limit: str
) -> None:
    """Readers that hold pixels are few; those that only know where pixels lie may be many: each kind has its limit."""
    monkeypatch.setattr(_Readers, limit, 2)
    ending = "fits" if light else "png"
    paths = [tmp_path / f"{i}.{ending}" for i in range(3)]
    for path in paths:
        if light:
            save(path, np.ones((2, 2)))
        else:
            Image.fromarray(np.full((2, 2), 7, np.uint8)).save(path)
    readers = _Readers()
    first = readers.get(paths[0], None)
    assert readers.get(paths[0], None) is first
    second = readers.get(paths[1], None)
    readers.get(paths[2], None)
    assert readers.get(paths[1], None) is second
    assert readers.get(paths[0], None) is not first


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"path": ""}, "must name a file"),
        ({"path": "a.fits", "bounds": (1.0, 1.0)}, "must rise"),
        ({"path": "a.fits", "state": "curved"}, "state"),
        ({}, "path"),
    ],
)
def test_read_images_parameters_are_checked(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        ReadImage.build(values)


def test_an_optional_image_may_have_no_path() -> None:
    assert ReadImage(path="", optional=True).path == ""


def test_a_missing_file_is_a_source_error() -> None:
    with pytest.raises(SourceError, match=r"/nowhere/a\.fits: cannot be opened"):
        ReadImage(path="/nowhere/a.fits").frame(Known())


def test_a_series_is_one_read_image_per_path_with_the_same_options() -> None:
    added = []

    def add(process: str, name: str, /, **values: Any) -> Any:
        added.append((process, values))
        return {"image": f"feed of {values['path']}"}

    series = ReadSeries(paths=("b.fits", "a.fits"), hdu="SCI", bounds=(0.0, 9.0))
    outputs = series.expand(add, {})
    assert outputs == {"image": ("feed of b.fits", "feed of a.fits")}
    assert [p for p, _ in added] == ["io.read_image"] * 2
    assert added[0][1] == {"path": "b.fits", "hdu": "SCI", "bounds": (0.0, 9.0), "state": "auto"}


@pytest.mark.parametrize(
    ("values", "message"),
    [({"paths": ()}, "at least one"), ({"paths": ("a", "")}, r"got '' at \[1\]"), ({"paths": "a.fits"}, "paths")],
)
def test_read_series_parameters_are_checked(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        ReadSeries.build(values)


def test_overwrite_off_protects_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(b"precious")
    process = WriteImage(path=str(path), overwrite=False)
    with pytest.raises(ParameterError, match="overwrite is off"):
        process.writer(Known(frames={"image": Frame(width=2, height=2)}))
    assert path.read_bytes() == b"precious"


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    frame = Frame(width=2, height=2)
    writer = WriteImage(path=str(tmp_path / "new" / "a.fits")).writer(Known(frames={"image": frame}))
    writer.write(frame.box, np.ones((1, 2, 2), np.float32))
    writer.finish()
    assert (tmp_path / "new" / "a.fits").stat().st_size == 5760


# -- through the engine --------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_from_file_to_file_every_bit_is_kept(tmp_path: Path, compression: str) -> None:
    data = RNG.normal(500, 20, (3, 40, 60)).astype(np.float32)
    data[1, 3, 4] = np.nan
    g = Graph()
    image = g.add("ReadImage", path=save(tmp_path / "a.fits", data, EXPTIME=30.0))
    g.add("WriteImage", image=image, path=str(tmp_path / "b.fits"), compression=compression)
    g.run()
    with fits.open(tmp_path / "b.fits") as h:
        hdu = h[0] if compression == "none" else h[1]
        np.testing.assert_array_equal(hdu.data, data)
        assert (hdu.header["EXPTIME"], hdu.header["LERBHI"]) == (30.0, 65535.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.fits", "b.fits"]


def test_a_series_comes_out_in_its_order(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.fits", np.full((3, 4), i, np.uint16)) for i in (2, 0, 1)]
    g = Graph()
    series = g.add("ReadSeries", paths=tuple(paths)).image
    assert [float(series[i].compute()[0, 0, 0]) for i in range(len(series))] == [2.0, 0.0, 1.0]


def test_the_file_that_is_read_may_be_the_file_that_is_written(tmp_path: Path) -> None:
    data = RNG.integers(0, 65535, (30, 20), np.uint16)
    path = save(tmp_path / "a.fits", data)
    g = Graph()
    g.add("WriteImage", image=g.add("ReadImage", path=path), path=path, sample_format="uint16")
    g.run()
    np.testing.assert_array_equal(fits.getdata(path), data)
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]
