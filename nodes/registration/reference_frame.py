"""ReferenceFrame: the image of a series that a choice names."""

from __future__ import annotations

from typing import Any

from ...engine.api import Box, Frame, GridMap, Known, ParameterError, Port, Process, SameGrid, Tile

_NOTHING = Box(0, 0, 0, 0)


class ReferenceFrame(Process, id="registration.reference_frame"):
    """Hand on, unchanged, the image whose number a Value's ``index`` says."""

    inputs = (
        Port("images", many=True, doc="the images to choose from"),
        Port("choice", "measures", doc="a Value with the `index` of an image, from 0"),
    )
    maskable = False

    def frame(self, known: Known) -> Frame:
        frames: tuple[Frame, ...] = known.frames["images"]
        choice = known.values.get("choice")
        if choice is None:
            # Which one it will be is not known yet; nothing but the size is likely.
            return frames[0].with_(bounds=None)
        return frames[_index(choice, len(frames))]

    def grid_map(self, port: str, at: int, known: Known) -> GridMap | None:
        return SameGrid() if at == _index(known.values["choice"], len(known.frames["images"])) else None

    def needs(self, box: Box, port: str, known: Known) -> tuple[Box, ...]:
        count = len(known.frames["images"])
        chosen = _index(known.values["choice"], count)
        return tuple(box if i == chosen else _NOTHING for i in range(count))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        images: tuple[Tile, ...] = tiles[0]
        return images[_index(known.values["choice"], len(images))].copy()


def _index(choice: Any, count: int) -> int:
    if not isinstance(choice, dict) or "index" not in choice:
        raise ParameterError("ReferenceFrame: a Value with an 'index' is wanted as choice, such as ChooseReference's")
    index = int(choice["index"])
    if not 0 <= index < count:
        raise ParameterError(f"ReferenceFrame: the choice is image {index}, there are {count} (0 to {count - 1})")
    return index
