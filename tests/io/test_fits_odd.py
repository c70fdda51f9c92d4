"""Real, odd, compressed and broken FITS files: the pixels of astropy, or one clear sentence."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.errors import SourceError
from lerarlink.engine.region import strips
from lerarlink.nodes.io._formats import open_reader

REAL = Path(os.environ.get("LERAR_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
ENDINGS = (".fits", ".fit", ".fz", ".fits.gz", ".fit.gz", ".fits.bz2", ".hdr")
FILES = sorted(str(p.relative_to(REAL)) for p in REAL.glob("*/*") if p.name.endswith(ENDINGS))
# One frame of the long series stands for all.
FILES = [f for f in FILES if not f.startswith("hatp32")] + [f for f in FILES if f.startswith("hatp32")][:1]

NO_IMAGE = {
    "astrogo_issue-38.fits", "astropy_ascii.fits", "astropy_ascii_i4-i20.fits", "astropy_btable.fits",
    "astropy_chandra_time.fits", "astropy_group.fits", "astropy_history_header.fits",
    "astropy_invalid_group_invalid.fits", "astropy_logical_null.fits", "astropy_memtest.fits",
    "astropy_random_groups.fits", "astropy_stddata.fits", "astropy_table.fits", "astropy_tb.fits",
    "astropy_tdim.fits", "astropy_theap-gap.fits", "astropy_variable_length_table.fits", "astropy_verify.fits",
    "astropy_vla_logical_all_zero.fits", "astropy_vla_logical_null.fits", "astropy_vla_logical_pre_fix.fits",
    "astropy_wcs_dist.fits", "astropy_wcs_header_with_time.fits", "astropy_wcs_ie6d07ujq_wcs.fits",
    "astropy_wcs_invalid_header.hdr", "astropy_wcs_sip.fits", "astropy_wcs_zpn-hole.hdr", "astropy_zerowidth.fits",
    "nomtam_issue49test.fits", "nomtam_test_i10.fits",
}  # fmt: skip


def truth_of(path: Path) -> np.ndarray:
    """Return the first image by astropy, scaled here in double precision (astropy scales 16 bits in single)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path, do_not_scale_image_data=True) as h:
            hdu = next(x for x in h if x.is_image and x.shape and 0 not in x.shape)
            raw = np.array(hdu.data)
            words = fits.getheader(path, h.index(hdu))
    values = words.get("BZERO", 0.0) + words.get("BSCALE", 1.0) * raw.astype(np.float64)
    if raw.dtype.kind != "f" and "BLANK" in words:
        values[raw == words["BLANK"]] = np.nan
    return values.astype(np.float32)


@pytest.mark.parametrize("name", FILES)
def test_every_real_file_has_astropys_pixels_or_is_refused(name: str, real_data: Callable[[str], Path]) -> None:
    path = real_data(name)
    if path.name in NO_IMAGE:
        with pytest.raises(SourceError) as error:
            open_reader(path)
        assert "\n" not in str(error.value)
        return
    reader = open_reader(path)
    truth = truth_of(path)
    got = np.concatenate([reader.read(box) for box in strips(reader.frame.box, 97)], axis=1)
    np.testing.assert_array_equal(got, truth.reshape(got.shape))
    reader.close()


def test_four_compressions_of_one_picture_are_the_same_picture(real_data: Callable[[str], Path]) -> None:
    plain = open_reader(real_data("odd-fits/astropy_comp_m13.fits"))
    for method in ("gzip", "hcomp", "plio", "rice"):
        packed = open_reader(real_data(f"odd-fits/astropy_comp_m13_{method}.fits"))
        np.testing.assert_array_equal(packed.read(plain.frame.box), plain.read(plain.frame.box))


def test_sirils_compressed_frame_has_its_known_mean(real_data: Callable[[str], Path]) -> None:
    reader = open_reader(real_data("odd-fits/siril_star_test1.fit.fz"))
    assert reader.read(reader.frame.box).mean(dtype=np.float64) == pytest.approx(583.18, abs=0.005)
    assert reader.frame.orientation == "top-down"


def test_a_seestar_light_is_a_top_down_mosaic(real_data: Callable[[str], Path]) -> None:
    frame = open_reader(real_data("seestar-m94/night1_Light_M94_10.0s_IRCUT_20250326-212046.fits.fz")).frame
    assert (frame.cfa, frame.orientation, frame.bounds) == ("GRBG", "top-down", (0, 65535))
    assert (frame.word("type"), frame.word("exposure"), frame.word("gain")) == ("light", 10.0, 80)


@pytest.mark.parametrize("name", [f for f in FILES if f.startswith("odd-fits/") and Path(f).name not in NO_IMAGE][::5])
def test_a_real_file_cut_in_the_middle_never_gives_pixels_that_are_not_there(
    name: str, real_data: Callable[[str], Path], tmp_path: Path
) -> None:
    """Cut at several places, the file gives its first image whole or is refused."""
    path = real_data(name)
    whole, cut = path.read_bytes(), tmp_path / Path(name).name
    truth = truth_of(path)
    for part in (0.02, 0.3, 0.6, 0.95):
        cut.write_bytes(whole[: int(len(whole) * part)])
        try:
            reader = open_reader(cut)
            got = reader.read(reader.frame.box)
        except SourceError as e:
            assert "\n" not in str(e)
        else:
            np.testing.assert_array_equal(got, truth.reshape(got.shape))
