"""Files that hold many frames: cubes, target pixel files, SER video."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine.api import julian_dates, seconds_of
from lerarlink.engine.errors import EngineError, ParameterError, SourceError
from lerarlink.nodes.io import read_image
from lerarlink.nodes.io._frame_file import FrameOptions
from lerarlink.nodes.io._frame_files import FRAME_FILES, frames_in

Pixels = np.ndarray


def frames_of(*paths: Path, **params: Any) -> Any:
    return Graph().add("ReadFrames", name="frames", paths=tuple(map(str, paths)), **params)


def stack(node: Any) -> Pixels:
    image = node.image
    return np.stack([image[i].compute() for i in range(len(image))])


def times(node: Any, **params: Any) -> dict[str, Any]:
    found = node._graph.add("TimeAxis", name="times", frames=node, **params).value()
    assert isinstance(found, dict)
    return found


def random(shape: tuple[int, ...], dtype: str, top: int = 60000) -> Pixels:
    return np.random.default_rng(5).integers(0, top, shape).astype(dtype)


# -- SER --------------------------------------------------------------------------------------------


def ser(
    path: Path, frames: Pixels, color: int = 0, depth: int = 16, big: bool = False, stamps: Any = None, mark: int = 0
) -> Path:
    """Write a SER file by its published layout; *frames* are (count, rows, columns[, 3])."""
    count, height, width = frames.shape[:3]
    head = b"LUCAM-RECORDER" + struct.pack("<7i", 0, color, mark, width, height, depth, count)
    head += b"Somebody".ljust(40) + b"ASI120MM\0".ljust(40, b"\0") + b"C8".ljust(40) + struct.pack("<2q", 0, 0)
    assert len(head) == 178
    data = frames.astype((">u2" if big else "<u2") if depth > 8 else "u1").tobytes()
    path.write_bytes(head + data + (b"" if stamps is None else struct.pack(f"<{count}q", *stamps)))
    return path


def ticks(iso: str) -> int:
    """Tenths of microseconds since the year 1, of a date of the proleptic Gregorian calendar."""
    return int((np.datetime64(iso, "us") - np.datetime64("0001-01-01T00:00:00", "us")).astype(np.int64)) * 10


@pytest.mark.parametrize("depth", [8, 12, 16])
def test_a_mono_video_keeps_its_levels(tmp_path: Path, depth: int) -> None:
    frames = random((5, 6, 7), "u2", 2**depth)
    node = frames_of(ser(tmp_path / "a.ser", frames, depth=depth))
    assert (stack(node)[:, 0] == frames).all()
    frame = node.image[2].frame
    assert (frame.bounds, frame.orientation, frame.cfa) == ((0.0, 2.0**depth - 1), "top-down", None)
    assert (frame.word("camera"), frame.word("telescope")) == ("ASI120MM", "C8")


def test_bayer_and_colour_videos_are_told_apart(tmp_path: Path) -> None:
    mosaic = frames_of(ser(tmp_path / "b.ser", random((2, 4, 6), "u2"), color=11))
    assert mosaic.image[1].frame.cfa == "BGGR"
    colour = random((3, 4, 5, 3), "u1", 255)
    for code, order in ((100, slice(None)), (101, slice(None, None, -1))):
        node = frames_of(ser(tmp_path / f"c{code}.ser", colour, color=code, depth=8))
        assert node.image[0].frame.color == "rgb"
        assert (stack(node) == colour[..., order].transpose(0, 3, 1, 2)).all()


def test_the_byte_order_is_as_programs_mark_it(tmp_path: Path) -> None:
    frames = random((2, 3, 4), "u2")
    little = ser(tmp_path / "l.ser", frames, mark=0)
    big = ser(tmp_path / "b.ser", frames, big=True, mark=1)
    odd = ser(tmp_path / "o.ser", frames, mark=1)
    assert all((stack(frames_of(p))[:, 0] == frames).all() for p in (little, big))
    assert (stack(frames_of(odd, byte_order="little"))[:, 0] == frames).all()
    assert not (stack(frames_of(odd))[:, 0] == frames).all()


def test_stamps_of_a_video_are_its_times(tmp_path: Path) -> None:
    said = [f"2024-03-01T20:00:00.{n:06}" for n in (125, 40_000, 80_125)]
    path = ser(tmp_path / "t.ser", random((3, 3, 4), "u2"), stamps=[ticks(s) + 5 for s in said])
    v = times(frames_of(path))
    assert v["epoch"] == "2024-03-01T00:00:00"
    assert v["times_ns"] == [72000 * 10**9 + n * 1000 + 500 for n in (125, 40_000, 80_125)]
    assert v["source"] == "the stamps behind the frames"
    late = times(frames_of(path, stamps="start", exposure=0.01))
    assert np.subtract(late["times_ns"], v["times_ns"]).tolist() == [5_000_000] * 3
    assert late["exposure_s"] == [0.01] * 3
    with pytest.raises(ParameterError, match="want the exposure"):
        frames_of(path, stamps="end")


def test_a_video_without_stamps_tells_no_time(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="TIME-1: 3 of 3 frames"):
        times(frames_of(ser(tmp_path / "n.ser", random((3, 3, 4), "u2"))))


def test_one_frame_of_a_video_is_an_image(tmp_path: Path) -> None:
    frames = random((3, 3, 4), "u2")
    path = ser(tmp_path / "o.ser", frames)
    g = Graph()
    assert (g.add("ReadImage", path=str(path), hdu=2).compute()[0] == frames[2]).all()
    with pytest.raises(SourceError, match=r"frames 0 \.\. 2, wanted 3"):
        g.add("ReadImage", path=str(path), hdu=3).compute()


@pytest.mark.parametrize(
    ("change", "told"),
    [(lambda b: b[:100], "the head of a SER"), (lambda b: b[:-9], "truncated"),
     (lambda b: b[:18] + struct.pack("<i", 16) + b[22:], "unknown kind: 16"),
     (lambda b: b[:34] + struct.pack("<i", 32) + b[38:], "bit depth"),
     (lambda b: b[:38] + struct.pack("<i", -1) + b[42:], "-1 frames")],
)  # fmt: skip
def test_damaged_videos_are_refused(tmp_path: Path, change: Callable[[bytes], bytes], told: str) -> None:
    path = ser(tmp_path / "d.ser", random((2, 3, 4), "u2"))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(SourceError, match=told):
        stack(frames_of(path))


# -- cubes ------------------------------------------------------------------------------------------


def cube(path: Path, pixels: Pixels, *tables: fits.BinTableHDU, compress: str = "", **cards: Any) -> Path:
    header = fits.Header([(k.replace("_", "-"), v) for k, v in cards.items()])
    if compress:
        image = fits.CompImageHDU(pixels, header, compression_type=compress, tile_shape=(1, 4, pixels.shape[-1]))
        hdus = [fits.PrimaryHDU(), image, *tables]
    else:
        hdus = [fits.PrimaryHDU(pixels, header), *tables]
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.mark.parametrize("dtype", ["i2", "u2", "f4"])
@pytest.mark.parametrize("compress", ["", "RICE_1"])
def test_each_plane_of_a_cube_is_a_frame(tmp_path: Path, dtype: str, compress: str) -> None:
    if compress and dtype == "f4":
        pytest.skip("astropy rounds floats that it compresses")
    pixels = random((6, 9, 8), dtype, 30000)
    node = frames_of(cube(tmp_path / "c.fits", pixels, compress=compress))
    assert (stack(node)[:, 0] == pixels).all()
    frame = node.image[0].frame
    assert (frame.channels, frame.color) == (1, "gray")


def test_floats_of_one_cube_have_one_black_and_white(tmp_path: Path) -> None:
    pixels = np.linspace(-5.0, 90000.0, 4 * 3 * 5, dtype="f4").reshape(4, 3, 5)
    pixels[1, 0, 0] = np.nan
    node = frames_of(cube(tmp_path / "f.fits", pixels))
    assert Graph().add("FrameRange", path=str(tmp_path / "f.fits")).value()["bounds"] == [-5.0, 90000.0]
    # Black and white change places, and are those of all planes.
    inverted = node._graph.add("Invert", name="inverted", image=node)
    assert stack(inverted)[:, 0] == pytest.approx(89995.0 - pixels, abs=0.02, nan_ok=True)


def test_a_colour_picture_is_no_cube(tmp_path: Path) -> None:
    path = cube(tmp_path / "rgb.fits", random((3, 9, 8), "u2"))
    assert frames_in(path) is None
    assert len(frames_of(path).image) == 1
    axis = cube(tmp_path / "three.fits", random((3, 9, 8), "u2"), CTYPE3="TIME")
    assert frames_in(axis) == 3


def test_a_time_axis_tells_the_times(tmp_path: Path) -> None:
    path = cube(
        tmp_path / "t.fits", random((4, 3, 5), "i2"), DATE_OBS="2025-01-15T20:00:00", EXPTIME=1.5,
        CTYPE3="TIME", CUNIT3="s", CRPIX3=1.0, CRVAL3=10.0, CDELT3=2.5,
    )  # fmt: skip
    v = times(frames_of(path))
    assert seconds_of(v).tolist() == [72010.0, 72012.5, 72015.0, 72017.5]
    assert v["exposure_s"] == [1.5] * 4
    since = cube(
        tmp_path / "m.fits", random((2, 3, 5), "i2"), CTYPE3="TDB", CUNIT3="d", CRPIX3=2.0, CRVAL3=0.5, CDELT3=0.25,
        MJDREFI=60000, MJDREFF=0.125,
    )  # fmt: skip
    v = times(frames_of(since))
    assert v["scale"] == "tdb"
    assert julian_dates(v, seconds_of(v)).tolist() == [2460000.5 + 0.375, 2460000.5 + 0.625]


def test_a_cameras_cycle_tells_the_times(tmp_path: Path) -> None:
    path = cube(tmp_path / "k.fits", random((4, 3, 5), "i2"), DATE_OBS="2025-01-15T20:00:00", EXPOSURE=0.2, KCT=0.25)
    assert seconds_of(times(frames_of(path))).tolist() == pytest.approx([72000.1, 72000.35, 72000.6, 72000.85])


def test_a_table_beside_a_cube_tells_the_times(tmp_path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("MJD", "D", array=[60000.5, 60000.75, 60001.0])])
    path = cube(tmp_path / "b.fits", random((3, 3, 5), "i2"), table, CTYPE3="TIME", DATE_OBS="2020-01-01T00:00:00")
    v = times(frames_of(path))
    assert julian_dates(v, seconds_of(v)).tolist() == [2460001.0, 2460001.25, 2460001.5]


def test_the_start_of_a_cube_is_not_the_time_of_its_planes(tmp_path: Path) -> None:
    path = cube(tmp_path / "n.fits", random((4, 3, 5), "i2"), DATE_OBS="2025-01-15T20:00:00")
    node = frames_of(path)
    with pytest.raises(EngineError, match="TIME-1: 4 of 4"):
        times(node)
    assert node.image[1].frame.card("DATE-OBS") is None


def test_a_written_frame_keeps_its_time(tmp_path: Path) -> None:
    path = cube(
        tmp_path / "w.fits", random((2, 3, 5), "i2"), CTYPE3="TDB", CRVAL3=7.25, CDELT3=1.0, MJDREFI=60000,
        TREFPOS="BARYCENTER",
    )  # fmt: skip
    g = frames_of(path)._graph
    g.add("WriteImage", image=g["frames"], path=str(tmp_path / "out-{index}.fits"))
    written = [Path(p) for p in g.run().written]
    v = times(Graph().add("ReadSeries", paths=tuple(map(str, sorted(written)))))
    assert (v["scale"], v["reference"], v["epoch"]) == ("tdb", "barycentric", "2023-02-25T00:00:00")
    assert seconds_of(v).tolist() == [7.25, 8.25]
    assert fits.getheader(written[0])["TREFPOS"] == "BARYCENTER"


# -- target pixel files -----------------------------------------------------------------------------


def target(path: Path, flux: Pixels, time: Any, quality: Any = None, **cards: Any) -> Path:
    n, height, width = flux.shape
    columns = [
        fits.Column("TIME", "D", "BJD - 2454833", array=np.asarray(time, float)),
        fits.Column("CADENCENO", "J", array=np.arange(n) + 100, null=-1),
        fits.Column("FLUX", f"{height * width}E", "e-/s", dim=f"({width},{height})", array=flux),
        fits.Column("QUALITY", "J", array=np.zeros(n) if quality is None else quality),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    table.header.update({"BJDREFI": 2454833, "BJDREFF": 0.0, "TIMEDEL": 0.02, "EXPOSURE": 65.1, **cards})
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


def test_rows_that_cannot_be_used_are_left_out_and_listed(tmp_path: Path) -> None:
    flux = random((6, 3, 4), "f4")
    flux[3], flux[4, 0, 0] = np.nan, np.nan
    time = [1.0, np.nan, 1.04, 1.06, 1.08, 1.10]
    path = target(tmp_path / "a.fits", flux, time, [0, 0, 0, 0, 0, 128])
    node = frames_of(path)
    table = node.value("frames")
    assert table["columns"]["frame"] == [0, 2, 4]
    assert table["columns"]["cadenceno"] == [100.0, 102.0, 104.0]
    assert table["left_out"] == [[0, 1, "no time"], [0, 3, "no finite pixel"], [0, 5, "quality 128"]]
    assert np.array_equal(stack(node)[:, 0], flux[[0, 2, 4]], equal_nan=True)
    assert frames_of(path, quality="any").value("frames")["columns"]["frame"] == [0, 2, 4, 5]


def test_times_of_a_target_pixel_file_are_barycentric(tmp_path: Path) -> None:
    time = 1000.0 + 0.02 * np.arange(5)
    path = target(tmp_path / "b.fits", random((5, 3, 4), "f4"), time)
    v = times(frames_of(path))
    assert (v["scale"], v["reference"], v["exposure_s"][0]) == ("tdb", "barycentric", pytest.approx(1728.0))
    assert julian_dates(v, seconds_of(v)) == pytest.approx(time + 2454833.0, abs=1e-9)
    early = target(tmp_path / "c.fits", random((5, 3, 4), "f4"), time, TIMEPIXR=0.0)
    assert np.subtract(times(frames_of(early))["times_ns"], v["times_ns"]).tolist() == [864 * 10**9] * 5


def test_a_series_may_be_cut_and_joined(tmp_path: Path) -> None:
    one = target(tmp_path / "a.fits", random((4, 3, 4), "f4"), np.arange(4.0))
    two = target(tmp_path / "b.fits", random((3, 3, 4), "f4"), np.arange(10.0, 13.0))
    single = cube(tmp_path / "s.fits", random((3, 4), "i2"))
    table = frames_of(one, two, single, first=1, step=2).value("frames")["columns"]
    assert list(zip(table["file"], table["frame"], strict=True)) == [(0, 1), (0, 3), (1, 1), (2, 0)]
    assert frames_of(one, two, count=2).value("frames")["columns"]["frame"] == [0, 1]
    with pytest.raises(EngineError, match="no frame is left"):
        stack(frames_of(one, first=9))


def test_a_file_that_holds_no_frames_is_refused(tmp_path: Path) -> None:
    path = cube(tmp_path / "one.fits", random((3, 4), "i2"))
    with pytest.raises(SourceError, match="one image, not many frames"):
        Graph().add("ReadFrame", path=str(path)).compute()
    with pytest.raises(SourceError, match="cannot be opened"):
        stack(frames_of(tmp_path / "missing.fits"))
    bare = fits.BinTableHDU.from_columns([fits.Column("TIME", "D", array=[1.0])])
    fits.HDUList([fits.PrimaryHDU(), bare]).writeto(tmp_path / "t.fits")
    with pytest.raises(SourceError, match="no table of times and images"):
        stack(frames_of(tmp_path / "t.fits"))


@pytest.mark.parametrize("kind", ["ser", "target", "cube"])
def test_damaged_files_are_read_or_refused_in_a_sentence(tmp_path: Path, kind: str) -> None:
    """Bytes of the heads are changed at random: what comes is frames, an image, or an error that names the file."""
    path = tmp_path / f"{kind}.bin"
    if kind == "ser":
        ser(path, random((3, 3, 4), "u2"), stamps=[ticks("2024-03-01T20:00:00")] * 3)
    elif kind == "target":
        target(path, random((4, 3, 4), "f4"), np.arange(4.0))
    else:
        cube(path, random((4, 3, 5), "i2"), CTYPE3="TIME", CRVAL3=0.0, CDELT3=1.0, MJDREFI=60000)
    whole = path.read_bytes()
    rng = np.random.default_rng(11)
    used = np.flatnonzero(np.frombuffer(whole[: len(whole) - 1000], "u1") != 32) if kind != "ser" else np.arange(178)
    outcomes = set()
    for _ in range(150):
        data = bytearray(whole)
        for at in rng.choice(used, 2):
            data[at] = int(rng.integers(0, 256)) if kind == "ser" else int(rng.choice(list(b"0123456789-'TFEX ")))
        path.write_bytes(data)
        try:
            file = FRAME_FILES.get(path, FrameOptions())
            if file is not None:
                file.read(file.count - 1, file.frame(file.count - 1).box)
            outcomes.add("read")
        except EngineError as e:
            assert str(path) in str(e)
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


REAL = {
    "kplr005562784-2011271113734_lpd-targ.fits.gz": (4573, 4042, (4, 5)),
    "kplr009002278-2010174085026_lpd-targ.fits.gz": (4634, 4244, (4, 6)),
    "synthetic-k2-flat.targ.fits.gz": (500, 500, (7, 7)),
    "synthetic-k2-planet.targ.fits.gz": (500, 500, (7, 7)),
    "synthetic-k2-sinusoid.targ.fits.gz": (500, 500, (7, 7)),
}


@pytest.mark.parametrize("name", REAL)
def test_real_target_pixel_files(name: str, real_data: Callable[[str], Path]) -> None:
    path = real_data(f"timeseries-pixels/{name}")
    rows, kept, shape = REAL[name]
    with fits.open(path) as hdus:
        data = hdus[1].data
        good = np.isfinite(data["TIME"]) & (data["QUALITY"] == 0) & np.isfinite(data["FLUX"]).any(axis=(1, 2))
        time, flux = data["TIME"][good].copy(), data["FLUX"][good].copy()
    assert frames_in(path) == rows
    node = frames_of(path)
    table = node.value("frames")
    assert (good.sum(), len(table["columns"]["frame"])) == (kept, kept)
    assert len(table["left_out"]) == rows - kept
    assert table["columns"]["frame"] == np.flatnonzero(good).tolist()
    v = times(node)
    assert (v["scale"], v["reference"], v["order"]) == ("tdb", "barycentric", list(range(kept)))
    assert np.abs(julian_dates(v, seconds_of(v)) - 2454833.0 - time).max() < 1e-9
    assert (np.diff(seconds_of(v)) > 0).all()
    file = FRAME_FILES.get(path, FrameOptions())
    assert file is not None
    frame = file.frame(0)
    assert (frame.height, frame.width, frame.unit) == (*shape, "e-/s")
    read = np.concatenate([file.read(i, frame.box) for i in table["columns"]["frame"]])
    assert np.array_equal(read, flux, equal_nan=True)
    last = frames_of(path, first=kept - 1)
    assert np.array_equal(stack(last)[0, 0], flux[-1], equal_nan=True)


def test_headers_of_hundreds_of_files_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long series is gone through strip by strip; each file must not be opened anew for each strip."""
    paths = []
    for k in range(300):
        paths.append(str(tmp_path / f"{k:03}.fits"))
        fits.PrimaryHDU(np.full((12, 10), k, np.uint16)).writeto(paths[-1])
    opened: list[Any] = []

    def counted(path: Path, hdu: Any) -> Any:
        opened.append(path)
        return real(path, hdu)

    real = read_image.open_reader
    monkeypatch.setattr(read_image, "open_reader", counted)
    g = Graph()
    made = g.add("ImageIntegration", images=[g.add("ReadSeries", paths=paths)], rejection="no_rejection",
                 normalization="no_normalization", weight_mode="dont_care", range_clip_low=False)  # fmt: skip
    mean = made.output("image").image.compute(scheduler="sync", strip_samples=20)
    assert mean.shape == (1, 12, 10)
    assert len(opened) == len(set(opened)) == 300
