"""Which pixels take so much longer to make than to read that they are held in memory for the passes to come."""

from __future__ import annotations

from .costs import Memories, kind_of
from .evaluation import Evaluation
from .plan import Feed
from .store import Store

# Seconds for a sample of output. Writing to memory and reading back cost a thirtieth of it; what is made of held
# images is not made of their sources any more, so a little is saved besides.
DEAR = 30e-9
_SAMPLES = 1e6
# Part of what may be held that goes to images which only measured costs speak for: declared ones come first.
_SHARE = 0.5


class Dear:
    """Tells dear steps: those that declare it, and those that took long in earlier runs with such parameters."""

    def __init__(self, evaluation: Evaluation, store: Store) -> None:
        self.evaluation = evaluation
        self._memories = Memories(store)
        self._known: dict[int, bool] = {}

    def __call__(self, step: int) -> bool:
        """Return whether making the pixels of *step* once more costs more than holding them."""
        if step not in self._known:
            self._known[step] = self.evaluation.plan.steps[step].process.dear or self.seconds(step) > DEAR
        return self._known[step]

    def seconds(self, step: int) -> float:
        """Return what a sample of output took in earlier runs, the images it is made of not counted; 0: not known."""
        kind, images = kind_of(self.evaluation.plan, "pixels", step)
        return (self._memories.seconds(kind, _SAMPLES * images) or 0.0) / _SAMPLES

    def within(self, feeds: list[Feed], budget: int) -> list[Feed]:
        """Return those of *feeds* to be held: of the ones that do not declare it all or none, so that they do not
        take the room of those that come later."""
        measured = [f for f in feeds if not self.evaluation.plan.steps[f.step].process.dear]
        fits = sum(self._bytes(f) for f in measured) <= _SHARE * budget
        return [f for f in feeds if fits or f not in measured]

    def _bytes(self, feed: Feed) -> int:
        frame = self.evaluation.frame(feed)
        return 4 * frame.channels * frame.height * frame.width
