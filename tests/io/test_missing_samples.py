"""What is not finite in a file is missing, of whatever kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from lerarlink import Graph


def test_infinities_are_missing_like_nan(tmp_path: Path) -> None:
    data = np.linspace(0.1, 0.9, 35, dtype=np.float32).reshape(5, 7)
    data[1, 2], data[3, 3], data[4, 6] = np.inf, -np.inf, np.nan
    fits.writeto(tmp_path / "odd.fits", data)
    g = Graph()
    image = g.add("ReadImage", path=str(tmp_path / "odd.fits"))
    tile = image.compute()
    assert np.argwhere(np.isnan(tile[0])).tolist() == [[1, 2], [3, 3], [4, 6]]
    assert (tile[0][np.isfinite(data)] == data[np.isfinite(data)]).all()
    told = g.add("Statistics", image=image).value()["channels"][0]
    assert (told["count"], told["missing"]) == (32, 3)
    stretched = g.add("HistogramTransformation", image=image, midtones=0.2).compute()
    assert np.isnan(stretched).sum() == 3


def test_huge_but_finite_samples_are_kept(tmp_path: Path) -> None:
    data = np.full((4, 4), 3e38, np.float32)
    fits.writeto(tmp_path / "huge.fits", data)
    assert (Graph().add("ReadImage", path=str(tmp_path / "huge.fits")).compute() == np.float32(3e38)).all()
