"""Commands on image files: inspect, stats, preview, convert."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from astropy.io import fits

Lerar = Callable[..., Any]
MakeFits = Callable[..., Path]


def pixels(picture: Any) -> Any:
    with PIL.Image.open(picture) as opened:
        return np.asarray(opened)



Find = Callable[[str], Path]


# -- inspect --------------------------------------------------------------------------------------


def test_inspect_tells_size_range_and_words_with_their_rules(run_lerar: Lerar, tmp_path: Path) -> None:
    header = fits.Header([("EXPTIME", 30.0), ("IMAGETYP", "Light Frame"), ("FILTER", "Ha")])
    fits.writeto(tmp_path / "a.fits", np.zeros((5, 7), np.uint16), header)
    done = run_lerar("inspect", tmp_path / "a.fits")
    assert done.exit_code == 0 and done.stderr == ""
    words = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[1:]}
    assert words["size"] == ["7", "x", "5,", "gray"]
    assert words["samples"] == ["uint16"]
    assert words["bounds"] == ["0", "..", "65535"]
    assert words["exposure"] == ["30", "(from", "EXPTIME)"]
    assert words["type"][0] == "light" and words["filter"][0] == "Ha"


def test_inspect_gives_all_of_it_as_json(run_lerar: Lerar, make_fits: MakeFits) -> None:
    first, second = make_fits("a.fits"), make_fits("b.fits", height=9)
    told = json.loads(run_lerar("inspect", "--json", first, second).stdout)
    assert [t["file"] for t in told] == [str(first), str(second)]
    assert (told[1]["width"], told[1]["height"], told[1]["channels"]) == (80, 9, 1)
    assert ["BITPIX", 16] in [card[:2] for card in told[0]["header"]]


def test_inspect_prints_raw_cards(run_lerar: Lerar, make_fits: MakeFits) -> None:
    told = run_lerar("inspect", "--header", make_fits()).stdout
    assert "BITPIX   = 16" in told and "NAXIS1   = 80" in told


def test_inspect_goes_on_after_a_file_that_fails(run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path) -> None:
    (tmp_path / "bad.fits").write_bytes(b"SIMPLE  =                    T")
    done = run_lerar("inspect", tmp_path / "nothing.fits", tmp_path / "bad.fits", make_fits())
    assert done.exit_code == 3
    assert "80 x 60" in done.stdout
    assert [line.startswith("error: ") for line in done.stderr.splitlines()] == [True, True]
    assert "nothing.fits" in done.stderr and "bad.fits" in done.stderr


def test_inspect_reads_headers_only(run_lerar: Lerar, make_fits: MakeFits, private_store: Path) -> None:
    done = run_lerar("inspect", make_fits())
    assert done.exit_code == 0
    assert list(private_store.rglob("*")) == []


@pytest.mark.parametrize(
    "name",
    [
        "xisf/rust_test.xisf",
        "raw-and-tiff/graxpert_color_16bit.tiff",
        "hatp32-microobservatory/HATP-32171220013343.fits.fz",
        "odd-fits/reproject_equatorial_3d.fits",
        "gc-2mass-jhk/gc_2mass_j.fits.gz",
    ],
)
def test_inspect_opens_real_files(run_lerar: Lerar, real_data: Find, name: str) -> None:
    done = run_lerar("inspect", real_data(name))
    assert (done.exit_code, done.stderr) == (0, "")


def test_every_odd_file_is_inspected_or_refused_in_one_line(run_lerar: Lerar, real_data: Find) -> None:
    folder = real_data("odd-fits")
    for path in sorted(p for p in folder.iterdir() if p.suffix not in (".md", ".hdr")):
        done = run_lerar("inspect", path)
        if done.exit_code == 0:
            assert done.stderr == "" and " x " in done.stdout
        else:
            assert done.exit_code == 3 and path.name in done.error


# -- stats ----------------------------------------------------------------------------------------


def test_stats_are_those_of_numpy(run_lerar: Lerar, make_fits: MakeFits) -> None:
    path = make_fits()
    told = json.loads(run_lerar("stats", "--json", path).stdout)["channels"][0]
    sky = fits.getdata(path).astype(np.float64)
    assert told["count"] == sky.size
    assert told["median"] == np.median(sky)
    assert told["mean"] == pytest.approx(sky.mean(), rel=1e-12)
    assert (told["minimum"], told["maximum"]) == (sky.min(), sky.max())


def test_stats_of_a_region_count_its_pixels_only(run_lerar: Lerar, make_fits: MakeFits) -> None:
    path = make_fits()
    told = json.loads(run_lerar("stats", "--json", "--region", "10,20,30,50", path).stdout)["channels"][0]
    assert told["count"] == 20 * 30
    assert told["median"] == np.median(fits.getdata(path)[10:30, 20:50])


def test_stats_print_a_table_with_a_column_for_each_channel(run_lerar: Lerar, tmp_path: Path) -> None:
    fits.writeto(tmp_path / "rgb.fits", np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5))
    lines = [line.split() for line in run_lerar("stats", tmp_path / "rgb.fits").stdout.splitlines()]
    assert lines[0] == ["R", "G", "B"]
    assert ["median", "9.5", "29.5", "49.5"] in lines
    assert ["minimum_at", "0,", "0", "0,", "0", "0,", "0"] in lines


@pytest.mark.parametrize("region", ["1,2,3", "a,b,c,d", "5,5,5,9", "-1,0,4,4"])
def test_a_region_that_is_none_is_wrong_use(run_lerar: Lerar, make_fits: MakeFits, region: str) -> None:
    done = run_lerar("stats", make_fits(), f"--region={region}")
    assert done.exit_code == 2 and "--region" in done.error


def test_a_region_outside_the_image_is_refused(run_lerar: Lerar, make_fits: MakeFits) -> None:
    done = run_lerar("stats", make_fits(), "--region", "0,0,10,1000")
    assert done.exit_code in (1, 4) and "80" in done.error


# -- preview --------------------------------------------------------------------------------------


def test_preview_is_stretched_turned_upright_and_of_the_size_asked_for(
    run_lerar: Lerar, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    sky = rng.normal(1000, 10, (100, 200)).astype(np.float32)
    sky[:20] += 500  # the first stored rows of a FITS image are the bottom of the picture
    fits.writeto(tmp_path / "a.fits", sky)
    done = run_lerar("preview", tmp_path / "a.fits", "-o", tmp_path / "a.png", "--size", "50")
    assert done.exit_code == 0, done.stderr
    picture = pixels(tmp_path / "a.png")
    assert picture.shape == (25, 50)
    assert picture[-4:].mean() > picture[:4].mean() + 50
    assert 30 < np.median(picture) < 110  # background near a quarter of full brightness


def test_preview_takes_a_region_and_a_scale(run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path) -> None:
    arguments = ["--region", "0,0,30,40", "--scale", "0.5", "--stf", "none"]
    assert run_lerar("preview", make_fits(), "-o", tmp_path / "a.png", *arguments).exit_code == 0
    assert pixels(tmp_path / "a.png").shape == (15, 20)


def test_preview_writes_png_to_stdout(run_lerar: Lerar, make_fits: MakeFits) -> None:
    done = run_lerar("preview", make_fits(), "-o", "-")
    assert pixels(io.BytesIO(done.stdout_bytes)).shape == (60, 80)
    assert done.stderr == ""


def test_a_stretched_picture_is_shown_as_it_is(run_lerar: Lerar, tmp_path: Path) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (8, 1))
    PIL.Image.fromarray(ramp).save(tmp_path / "ramp.png")
    assert run_lerar("preview", tmp_path / "ramp.png", "-o", tmp_path / "shown.png").exit_code == 0
    np.testing.assert_array_equal(pixels(tmp_path / "shown.png"), ramp)


@pytest.mark.parametrize("size", [64, 8])
def test_a_mosaic_is_shown_in_colour_each_channel_stretched_by_itself(
    run_lerar: Lerar, tmp_path: Path, size: int
) -> None:
    rng = np.random.default_rng(4)
    mosaic = rng.normal(0, 10, (64, 64)) + np.tile([[900.0, 2000.0], [2000.0, 600.0]], (32, 32))
    mosaic[:, 32:] += np.tile([[150.0, 0.0], [0.0, 0.0]], (32, 16))  # the right half is redder
    header = fits.Header([("BAYERPAT", "RGGB"), ("ROWORDER", "TOP-DOWN")])
    fits.writeto(tmp_path / "m.fits", mosaic.astype(np.uint16), header)
    done = run_lerar("preview", tmp_path / "m.fits", "-o", tmp_path / "m.png", "--size", size)
    assert done.exit_code == 0 and "unlinked" in done.stderr
    shown = pixels(tmp_path / "m.png").astype(float)
    assert shown.shape == (size, size, 3)
    half = size // 2
    step = np.median(shown[:, half:], axis=(0, 1)) - np.median(shown[:, :half], axis=(0, 1))
    assert step[0] > 20 and abs(step[1]) < 7 and abs(step[2]) < 7


@pytest.mark.parametrize("arguments", [["-o", "x.gif"], [], ["-o", "x.png", "--size", "9", "--scale", "0.5"]])
def test_wrong_use_of_preview(run_lerar: Lerar, make_fits: MakeFits, arguments: list[str]) -> None:
    done = run_lerar("preview", make_fits(), *arguments)
    assert done.exit_code == 2 and done.error


# -- convert --------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["xisf", "tiff", "fits"])
def test_convert_keeps_pixels(run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path, extension: str) -> None:
    path, there, back = make_fits(), tmp_path / f"x.{extension}", tmp_path / "back.fits"
    assert run_lerar("convert", path, there, "--sample-format", "uint16").exit_code == 0
    done = run_lerar("convert", there, back)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "" and "back.fits" in done.stderr
    found = fits.getdata(back)
    stored_top_down = extension == "tiff" or fits.getheader(back).get("ROWORDER") == "TOP-DOWN"
    expected = fits.getdata(path).astype(np.float32)
    assert any(np.array_equal(found, e) for e in ([expected, expected[::-1]] if stored_top_down else [expected]))


def test_convert_refuses_what_the_writer_does_not_know(run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path) -> None:
    path = make_fits()
    done = run_lerar("convert", path, tmp_path / "x.fits", "--sample-format", "int12")
    assert done.exit_code == 4 and "sample_format" in done.error
    done = run_lerar("convert", path, tmp_path / "x.docx")
    assert done.exit_code == 4 and ".docx" in done.error
    assert run_lerar("convert", path, tmp_path / "x.fits", "--quality", "101").exit_code == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


def test_convert_leaves_an_existing_file_alone_when_asked_to(
    run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path
) -> None:
    (tmp_path / "x.xisf").write_bytes(b"mine")
    done = run_lerar("convert", make_fits(), tmp_path / "x.xisf", "--no-overwrite")
    assert done.exit_code == 4 and "exists" in done.error
    assert (tmp_path / "x.xisf").read_bytes() == b"mine"


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.98])
def test_a_truncated_file_is_told_in_one_line_and_leaves_nothing(
    run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path, keep: float
) -> None:
    whole = make_fits(height=200, width=300).read_bytes()
    path = tmp_path / "cut.fits"
    path.write_bytes(whole[: int(len(whole) * keep)])
    out = tmp_path / "out"
    out.mkdir()
    done = run_lerar("convert", path, out / "x.fits")
    assert done.exit_code == 3 and "cut.fits" in done.error
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("command", ["stats", "inspect", "preview", "convert"])
def test_a_missing_file_is_exit_code_3(run_lerar: Lerar, tmp_path: Path, command: str) -> None:
    more = {"preview": ["-o", tmp_path / "x.png"], "convert": [tmp_path / "x.fits"]}.get(command, [])
    done = run_lerar(command, tmp_path / "nothing.fits", *more)
    assert done.exit_code == 3 and "nothing.fits" in done.error
    assert list(tmp_path.iterdir()) == []
