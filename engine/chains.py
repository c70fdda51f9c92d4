"""Which samples of a pulled image become those of an output channel by arithmetic on single samples alone.

A line fit, a combination of channels and a stretch are one loop over the file's samples: nothing between them is
kept, not even for a strip. A chain is a matter of time, never of bits: each step's result is rounded to
float32 as if it had been a tile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .evaluation import Evaluation
from .fuse import run_links
from .plan import Feed
from .process import Process, Tile
from .region import Box

# Compiling a loop for a chain takes about half a second, once a machine; on smaller images one loop a step is
# faster than that.
FUSED_PIXELS = 8 << 20

_NOWHERE = Box(0, 0, 0, 0)


class Chain(NamedTuple):
    """How one output channel comes about: *channel* of the image *base*, then the links, the first one first."""

    base: Feed
    channel: int
    links: tuple[tuple[type[Process], tuple[float, ...]], ...]
    through: tuple[Feed, ...]
    """The images that are never made, that of the output first."""


def chains_of(evaluation: Evaluation, feed: Feed, made: Callable[[Feed], bool]) -> list[Chain] | None:
    """Return the chain of each channel of *feed*, or None where its process wants whole tiles.

    *made* says of an image that its pixels are at hand, so that there is nothing to go through.
    """
    process = evaluation.plan.steps[feed.step].process
    if process.pixel is None and not process.answers("plane"):
        return None
    chains = [_chain(evaluation, feed, c, made) for c in range(evaluation.frame(feed).channels)]
    return None if any(c.base == feed for c in chains) else chains


def _chain(evaluation: Evaluation, feed: Feed, channel: int, made: Callable[[Feed], bool]) -> Chain:
    links: list[tuple[type[Process], tuple[float, ...]]] = []
    through: list[Feed] = []
    while not (through and made(feed)):
        step = evaluation.plan.steps[feed.step]
        process = step.process
        if process.pixel is None and not process.answers("plane"):
            break
        known = evaluation.known(feed.step, feed.port, box=_NOWHERE)
        if process.pixel is not None:
            given = process.arguments(known, channel)
            if given is not None:
                links.append((type(process), tuple(map(float, given))))
            port = next(p.name for p in process.inputs if p.is_image)
        else:
            found = process.plane(known, channel)
            if found is None:
                break
            port, channel = found
        source = step.inputs[port]
        assert isinstance(source, Feed), f"{process.id}: a series goes into port '{port}' of a process of samples"
        through.append(feed)
        feed = source
    return Chain(feed, channel, tuple(reversed(links)), tuple(through))


def run_chains(
    chains: list[Chain], box: Box, pixels: int, pull: Callable[[Feed, Box], Tile], out: Tile | None = None
) -> Tile:
    """Return the output tile of *box*, made in *out* if given, whose channels are each contiguous.

    *pixels* is the size of the image, which says whether compiling pays.
    """
    if out is None:
        out = np.empty((len(chains), box.height, box.width), np.float32)
    for plane, chain in zip(out, chains, strict=True):
        run_links(chain.links, pull(chain.base, box)[chain.channel], plane, fused=pixels >= FUSED_PIXELS)
    return out
