"""Images of a series that are pulled one after another, so that never more than one of them is held.

A process says ``draws = True`` and gets a `Drawn` instead of a tuple of tiles for each `many` port.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .evaluation import Evaluation
from .plan import Feed
from .process import Tile
from .region import Box

Pull = Callable[[Feed, Box], Tile]


class Drawn:
    """The images of a `many` port within one strip; each is pulled when it is asked for, and not remembered."""

    def __init__(self, feeds: Sequence[Feed], boxes: Sequence[Box], pull: Pull) -> None:
        self._feeds, self._boxes, self._pull = tuple(feeds), tuple(boxes), pull

    def __len__(self) -> int:
        return len(self._feeds)

    def __getitem__(self, index: int) -> Tile:
        """Return the tile of image *index*: the box that `needs` asked for. Asking twice makes it twice."""
        return self._pull(self._feeds[index], self._boxes[index])

    def part(self, index: int, box: Box) -> Tile:
        """Return *box* of image *index*, which must lie within what `needs` asked for.

        Raises
        ------
        ValueError
            It does not.
        """
        if not self._boxes[index].contains(box):
            raise ValueError(f"image {index}: {self._boxes[index]} was said to be needed, {box} is asked for")
        return self._pull(self._feeds[index], box)


def own_steps(evaluation: Evaluation, feeds: Sequence[Feed]) -> frozenset[int]:
    """Return the steps that only one of *feeds* is made of: their tiles are of no use to the others."""
    steps = evaluation.plan.steps
    owner: dict[int, int] = {}
    common: set[int] = set()
    for at, feed in enumerate(feeds):
        todo = [feed.step]
        while todo:
            step = todo.pop()
            if step in common or owner.get(step) == at:
                continue
            if step in owner:
                common.add(step)
            owner[step] = at
            todo += [f.step for f in steps[step].feeds()]
    return frozenset(owner.keys() - common)
