"""Which frames of which files make a series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...engine.api import ParameterError
from ._frame_file import FrameOptions
from ._frame_files import FRAME_FILES

Quality = Literal["zero", "any"]
QUALITIES = ("zero", "any")


@dataclass(frozen=True)
class Selection:
    """The frames of a series, as (index of the file, index within it), and those left out, with the reason."""

    frames: tuple[tuple[int, int], ...]
    left_out: tuple[tuple[int, int, str], ...]

    @classmethod
    def of(
        cls, paths: Sequence[str], options: FrameOptions, quality: Quality, first: int = 0, count: int = 0,
        step: int = 1,
    ) -> Selection:  # fmt: skip
        """Return every *step*-th of the good frames of *paths*, *count* of them (0: all), from *first* on.

        Raises
        ------
        SourceError
            A file cannot be read.
        ParameterError
            No frame is left.
        """
        frames: list[tuple[int, int]] = []
        left_out: list[tuple[int, int, str]] = []
        for n, path in enumerate(paths):
            file = FRAME_FILES.get(Path(path), options)
            if file is None:
                frames.append((n, 0))
                continue
            bad = {**(file.flagged if quality == "zero" else {}), **file.left_out}
            left_out += [(n, i, bad[i]) for i in sorted(bad)]
            frames += [(n, i) for i in range(file.count) if i not in bad]
        chosen = frames[first::step]
        chosen = chosen[:count] if count else chosen
        if not chosen:
            told = f"{len(frames)} good frames and {len(left_out)} that are left out"
            raise ParameterError(f"no frame is left of {', '.join(paths)}: it has {told}")
        return cls(tuple(chosen), tuple(left_out))
