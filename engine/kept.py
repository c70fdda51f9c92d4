"""Pixels that are there already: held for this run, in the store, or in a file that an earlier run wrote."""

from __future__ import annotations

from collections.abc import Callable

from .collected import Collected, Held
from .evaluation import Evaluation
from .memory import Memory
from .plan import Feed
from .process import Writer
from .store import Store
from .stored_pixels import Pixels, StoredPixels
from .written import WrittenPixels

# Steps from which on the names of all that the store has are listed once.
_MANY = 200


class Pool:
    """Held pixels that outlive a run, by key: several runs on the same frames make a master once.

    A context manager; what it holds counts in the memory budget of each run that uses it.
    """

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for held in self.held.values():
            held.abandon()
        self.held.clear()


class Kept:
    """Knows where the pixels of a plan lie, and lets go of what was held once nothing waits for it."""

    def __init__(
        self, evaluation: Evaluation, store: Store, memory: Memory, pool: Pool | None, *, on_disk: bool
    ) -> None:
        self.evaluation, self.store, self.memory, self.on_disk = evaluation, store, memory, on_disk
        self._pool = pool
        self._held: dict[Feed, Held] = {}

    def of(self, steps: list[int]) -> dict[Feed, Pixels]:
        """Return the pixels that are there of the given steps and all before them."""
        found: dict[Feed, Pixels] = dict(self._held)
        ask: list[Callable[[Feed], Pixels | None]] = []
        if self._pool is not None and self._pool.held:
            ask.append(self._in_pool)
        looks = (("pixels", self._in_store), ("written", self._in_file))
        kinds = [(kind, look) for kind, look in looks if self.store.has(kind)]
        if not ask and not kinds:
            return found
        order = self.evaluation.upstream(steps)
        ask += [look if len(order) < _MANY else self._listed(kind, look) for kind, look in kinds]
        for i in order:
            for port in self.evaluation.plan.steps[i].process.outputs:
                feed = Feed(i, port.name)
                if not port.is_image or feed in found:
                    continue
                one = next((kept for look in ask if (kept := look(feed)) is not None), None)
                if one is not None:
                    found[feed] = one
        return found

    def stored(self, feed: Feed) -> StoredPixels:
        """Return the store's file for the pixels of *feed*, made if it is not there."""
        return self.store.pixels(self._key(feed), feed.port, self._shape(feed))

    def place(self, feed: Feed) -> Held | StoredPixels:
        """Return where the pixels of *feed* are to go: into memory while the budget lasts, else into the store."""
        return self.in_memory(feed) or self.stored(feed)

    def in_memory(self, feed: Feed) -> Held | None:
        """Return room for the pixels of *feed* in memory, if the budget has any left."""
        frame = self.evaluation.frame(feed)
        size = 4 * frame.channels * frame.height * frame.width
        held = [*self._held.values(), *(self._pool.held.values() if self._pool is not None else ())]
        if size + sum(h.nbytes for h in held) > self.memory.held:
            return None
        return Held(Collected(frame.box, frame.channels, on_disk=self.on_disk))

    def hold(self, feed: Feed, held: Held, *, this_run: bool = False) -> None:
        """Have the pixels of *feed* until nothing waits for them, or (not *this_run*) as long as the pool lasts."""
        if self._pool is not None and not this_run:
            self._pool.held[self._name(feed)] = held
        else:
            self._held[feed] = held

    def note_written(self, feed: Feed, writer: Writer) -> None:
        """Remember a finished file that holds the pixels of *feed* as they are, to the bit."""
        told: tuple[str, int] | None = getattr(writer, "exact", None)
        if told is not None:
            dtype, offset = told
            self.store.put_written(
                self._key(feed), feed.port, WrittenPixels.of(writer.path, self._shape(feed), dtype, offset)
            )

    def release(self, goal: list[int]) -> None:
        """Let go of what nothing will be made of any more on the way to *goal*."""
        if not self._held:
            return
        todo = [i for i in self.evaluation.upstream(goal) if i in goal or self.evaluation.waits(i)]
        feeds = [f for i in todo for f in self.evaluation.image_feeds(i)]
        there = self.of(goal)
        needed: set[Feed] = set()
        while feeds:
            feed = feeds.pop()
            if feed not in needed:
                needed.add(feed)
                if feed not in there:
                    feeds += self.evaluation.image_feeds(feed.step)
        for feed in [f for f in self._held if f not in needed]:
            self._held.pop(feed).abandon()

    def close(self) -> None:
        """Let go of everything that was held for this run."""
        for held in self._held.values():
            held.abandon()
        self._held.clear()

    def _listed(self, kind: str, look: Callable[[Feed], Pixels | None]) -> Callable[[Feed], Pixels | None]:
        """Return *look*, asked only for what the store has of *kind*."""
        names = self.store.names(kind)
        return lambda feed: look(feed) if self._name(feed) in names else None

    def _in_pool(self, feed: Feed) -> Held | None:
        assert self._pool is not None
        return self._pool.held.get(self._name(feed))

    def _name(self, feed: Feed) -> str:
        return f"{self._key(feed)}.{feed.port}"

    def _in_store(self, feed: Feed) -> StoredPixels | None:
        return self.stored(feed) if self.store.has_pixels(self._key(feed), feed.port) else None

    def _in_file(self, feed: Feed) -> WrittenPixels | None:
        found = self.store.written(self._key(feed), feed.port)
        return found if found is not None and found.shape == self._shape(feed) else None

    def _key(self, feed: Feed) -> str:
        return self.evaluation.key(feed.step, self.store.content)

    def _shape(self, feed: Feed) -> tuple[int, int, int]:
        frame = self.evaluation.frame(feed)
        return frame.channels, frame.height, frame.width
