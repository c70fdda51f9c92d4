"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

REAL = Path(os.environ.get("LERAR_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def private_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a store of its own, so that none is served by what another left."""
    folder = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("LERAR_CACHE_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Return a function from a path inside the real-data folder to the file, which skips where it is absent."""

    def find(name: str) -> Path:
        path = REAL / name
        if not path.exists():
            pytest.skip(f"real data not here: {name} (set LERAR_TEST_DATA to the folder that holds it)")
        return path

    return find
