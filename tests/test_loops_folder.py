"""Where generated loops are kept, so that numba finds what it compiled of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lerarlink.engine.folders import loops_folder


def test_loops_stay_where_compiled_code_was_chosen_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "compiled"))
    found = set()
    for store in ("one", "another"):
        monkeypatch.setenv("LERAR_CACHE_DIR", str(tmp_path / store))
        found.add(loops_folder())
    assert found == {tmp_path / "compiled" / "lerarlink-kernels"}


def test_loops_lie_in_the_store_where_compiled_code_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LERAR_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert loops_folder() == tmp_path / "kernels"
    # As lerarlink itself sets it when it begins.
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba" / "0123"))
    assert loops_folder() == tmp_path / "kernels"
