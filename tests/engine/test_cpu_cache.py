"""Strips fit the second-level cache, whatever the machine has, unless somebody says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from lerarlink.engine import cpu_cache
from lerarlink.engine.errors import ParameterError


def caches(folder: Path, *told: tuple[str, str, str]) -> Path:
    for n, entry in enumerate(told):
        index = folder / f"index{n}"
        index.mkdir()
        for name, text in zip(("level", "type", "size"), entry, strict=True):
            (index / name).write_text(text + "\n")
    return folder


@pytest.mark.parametrize(("size", "wanted"), [("256K", 1 << 18), ("1024K", 1 << 20), ("2M", 1 << 21)])
def test_linux_tells_the_unified_cache_of_level_two(tmp_path: Path, size: str, wanted: int) -> None:
    found = caches(
        tmp_path, ("1", "Data", "32K"), ("2", "Instruction", "64K"), ("2", "Unified", size), ("3", "Unified", "32M")
    )
    assert cpu_cache._sysfs(found) == wanted


def test_where_nothing_is_told_a_usual_size_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cpu_cache._sysfs(tmp_path) == 0
    assert cpu_cache._sysfs(caches(tmp_path, ("2", "Unified", "lots"))) == 0
    monkeypatch.setattr(cpu_cache, "_sysfs", lambda folder: 0)
    monkeypatch.setattr(cpu_cache, "_sysctl", lambda: 0)
    assert cpu_cache.level_two_bytes.__wrapped__() == 1 << 20


def test_a_strip_takes_five_eighths_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LERAR_STRIP_SAMPLES", raising=False)
    for cache, wanted in ((1 << 20, 160 * 1024), (1 << 21, 320 * 1024), (1 << 14, 1 << 15), (1 << 30, 1 << 20)):
        monkeypatch.setattr(cpu_cache, "level_two_bytes", lambda size=cache: size)
        assert cpu_cache.strip_samples() == wanted


def test_the_environment_overrides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LERAR_STRIP_SAMPLES", "4096")
    assert cpu_cache.strip_samples() == 4096
    for wrong in ("0", "-5", "1e6", "many", "9" * 13):
        monkeypatch.setenv("LERAR_STRIP_SAMPLES", wrong)
        with pytest.raises(ParameterError, match="LERAR_STRIP_SAMPLES must be a number of samples from 1 on"):
            cpu_cache.strip_samples()
