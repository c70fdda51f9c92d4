"""The graph that turns matched frames into masters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...engine.errors import GraphError
from ...engine.graph import Node
from ..document import Graph
from .combine import add_combination, combinations
from .group import Group
from .match import FrameLink, Matching
from .options import WEIGHT_MODES, Options
from .stacks import Stack, Stacks

# What stands out by so many average deviations is no star's flank; WeightedBatchPreprocessing has the same.
_HOT = 10.0


def build(matching: Matching, stacks: Stacks, options: Options | None = None) -> Graph:
    """Return the graph from raw frames to masters. Opens no file.

    Every group of frames is a ReadSeries of its name; what is made of it is called by what was done to it:
    ``calibrated-R``, ``registered-R``, ``integrated-R``, ``write-R``.

    Raises
    ------
    GraphError
        There are no lights.
    """
    if not stacks.stacks:
        raise GraphError("preprocess: there are no lights to make a master of")
    builder = Builder(matching, options or Options())
    for object in stacks.objects:
        builder.add_object(stacks.of(object), several=len(stacks.objects) > 1)
    builder.graph.doc = _doc(matching, stacks)
    return builder.graph


class Builder:
    """Adds nodes; masters that serve several groups are made once."""

    def __init__(self, matching: Matching, options: Options) -> None:
        self.graph = Graph()
        self.matching = matching
        self.options = options
        self.masters: dict[str, Node] = {}

    def add_object(self, stacks: Sequence[Stack], *, several: bool) -> None:
        """Add all from raw frames to the masters of one object, which lie on one grid."""
        ready = self.ready(stacks)
        aligned = self.registered(stacks, ready) if self.options.register else ready
        integrated = {s.name: self.integrated(s, aligned[s.name], self.inputs(s, ready, aligned)) for s in stacks}
        by_filter = {stack.filter: integrated[stack.name] for stack in stacks}
        # Masters that do not lie on one grid, or are several of a filter, make no picture of their own accord.
        fits = len(by_filter) == len(stacks) and self.options.register
        if fits or self.options.combine != "auto":
            prefix = f"{stacks[0].name.removesuffix(stacks[0].filter).rstrip('_')}_" if several else ""
            mosaics = [stack.filter for stack in stacks if stack.mosaic]
            for made in combinations(self.options.combine, list(by_filter), mosaics):
                add_combination(self.graph, by_filter, prefix, made, self.options.pictures)

    def survey_object(self, stacks: Sequence[Stack]) -> None:
        """Add what judges the lights of one object: registration, figures, approval."""
        ready = self.ready(stacks)
        if self.options.register:
            self.registered(stacks, ready)
        for stack in stacks if self.options.measured else ():
            self.graph.add(
                "SubframeSelector", name=f"select-{stack.name}", measures=self.measures(ready[stack.name]),
                approval=self.options.approval, weighting=self.options.weighting,
            )  # fmt: skip

    def ready(self, stacks: Sequence[Stack]) -> dict[str, list[Node]]:
        return {stack.name: [self.prepared(group) for group in stack.groups] for stack in stacks}

    # -- frames -----------------------------------------------------------------------------------

    def frames(self, group: Group) -> Node:
        return self.graph.add("ReadSeries", name=group.name, paths=tuple(r.path for r in group.records))

    def prepared(self, group: Group) -> Node:
        """Return the lights of one group, calibrated and corrected, in colours."""
        suffix = group.name.removeprefix("light-")
        node = self.calibrated(group, f"calibrated-{suffix}", self.frames(group))
        if "calibrated" in self.options.keep:
            self.write(f"write-calibrated-{suffix}", node, f"calibrated_{suffix}.fits")
        if self.options.cosmetic:
            node = self.graph.add(
                "CosmeticCorrection", name=f"corrected-{suffix}", image=node, hot_auto_check=True, hot_auto_value=_HOT
            )
        if group.first.cfa is not None:
            node = self.graph.add(
                "Debayer", name=f"debayered-{suffix}", image=node, debayer_method=self.options.debayer
            )
        return node

    def calibrated(self, group: Group, name: str, frames: Node) -> Node:
        """Return *frames* calibrated by what is linked to them; as they are where nothing is."""
        links = {role: link for role, link in self.matching.of(group).items() if link.source is not None}
        if not links:
            return frames
        feeds: dict[str, Any] = {role.replace("darkflat", "dark"): self.master(link) for role, link in links.items()}
        scaled = "dark" in links and links["dark"].scaled
        # Samples below black are kept: cutting them off would lift the mean of a dark sky.
        return self.graph.add(
            "ImageCalibration", name=name, image=frames, **feeds, optimize_darks=scaled, calibrate_dark=scaled,
            truncate=False,
        )  # fmt: skip

    def master(self, link: FrameLink) -> Node:
        group = link.source
        assert group is not None
        if group.name not in self.masters:
            self.masters[group.name] = self.made_master(group)
        return self.masters[group.name]

    def made_master(self, group: Group) -> Node:
        if group.master:
            return self.graph.add("ReadImage", name=group.name, path=group.first.path)
        frames = self.frames(group)
        if group.kind == "flat":
            frames = self.calibrated(group, f"calibrated-{group.name}", frames)
        process = {"bias": "MasterBias", "flat": "MasterFlat"}.get(group.kind, "MasterDark")
        return self.graph.add(process, name=f"master-{group.name}", images=[frames])

    # -- registration -----------------------------------------------------------------------------

    def registered(self, stacks: Sequence[Stack], ready: dict[str, list[Node]]) -> dict[str, list[Node]]:
        """Return the lights of all stacks aligned on one frame, the best of the reference stack."""
        if sum(stack.count for stack in stacks) < 2:
            return ready
        chosen = min(stacks, key=lambda s: (_REFERENCES.index(s.filter) if s.filter in _REFERENCES else 99, -s.count))
        images = ready[chosen.name]
        stars = [self.graph.add("DetectStars", name=f"stars-{tail(n.name)}", image=n, max_stars=_STARS) for n in images]
        choice = self.graph.add("ChooseReference", name=f"choose-{chosen.name}", stars=stars)
        reference = self.graph.add("ReferenceFrame", name=f"reference-{chosen.name}", images=images, choice=choice)
        made = {}
        for stack in stacks:
            # A frame that cannot be aligned becomes one without samples, which the integration passes over.
            node = self.graph.add(
                "StarAlignment", name=f"registered-{stack.name}", images=ready[stack.name], reference=reference,
                keep_stars=_STARS, on_failure="missing",
            )  # fmt: skip
            if "registered" in self.options.keep:
                self.write(f"write-registered-{stack.name}", node, f"registered_{stack.name}.fits")
            made[stack.name] = [node]
        return made

    # -- masters ----------------------------------------------------------------------------------

    def inputs(self, stack: Stack, ready: dict[str, list[Node]], aligned: dict[str, list[Node]]) -> dict[str, Any]:
        """Return what the integration of a stack takes besides its images: weights, locally normalised images."""
        found: dict[str, Any] = {"weight_mode": WEIGHT_MODES[self.options.weights]}
        if self.options.weights == "keyword":
            found["weight_keyword"] = self.options.weight_keyword
        if self.options.weights in _BY_MEASURES:
            # Of the frames as they were taken: interpolation makes noise look less.
            measures = self.measures(ready[stack.name])
            found["weights"] = self.weighed(stack, measures) if self.options.weights == "formula" else measures
        if self.local(stack):
            found |= {
                "normalized": self.normalized(stack, aligned[stack.name]),
                "normalization": "local_normalization",
                "rejection_normalization": "local_rejection_normalization",
            }
        return found

    def local(self, stack: Stack) -> bool:
        """Return whether levels are to be made alike place by place."""
        if self.options.normalization == "auto":
            return self.options.register and stack.count >= _LOCAL
        return self.options.normalization == "local" and stack.count > 1

    def measures(self, images: Sequence[Node]) -> list[Node]:
        """Return the figures of frames, a node for each group of them."""
        return [
            self.graph.add(
                "SubframeMeasures", name=f"measures-{tail(n.name)}", image=n, keep_stars=_STARS, max_psf_fits=_FITS
            )
            for n in images
        ]

    def weighed(self, stack: Stack, measures: list[Node]) -> list[Node]:
        """Return the figures of frames with weights by the user's formula."""
        # Lights that are not approved are not here any more; asked again, those that are left would be judged anew.
        chosen = self.graph.add(
            "SubframeSelector", name=f"select-{stack.name}", measures=measures, weighting=self.options.weighting
        )
        return [
            self.graph.add("SubframeWeight", name=f"weights-{tail(n.name)}", measures=n, selection=chosen)
            for n in measures
        ]

    def normalized(self, stack: Stack, images: list[Node]) -> list[Node]:
        """Return *images* brought to the levels of the best of them, place by place; scales come from their stars."""
        stars = [n.output("stars") for n in images]
        choice = self.graph.add("ChooseReference", name=f"choose-levels-{stack.name}", stars=stars)
        reference = self.graph.add("ReferenceFrame", name=f"levels-{stack.name}", images=images, choice=choice)
        cells = self.graph.add(
            "LocalLevels", name=f"cells-{stack.name}", image=reference, low_clipping_level=_ALL_SAMPLES
        )
        return [
            self.graph.add(
                "LocalNormalization", name=f"normalized-{tail(n.name)}", image=n, reference=reference, stars=s,
                reference_stars=choice.output("chosen"), reference_levels=cells, truncate=False,
                low_clipping_level=_ALL_SAMPLES, on_failure="no_scale",
            )
            for n, s in zip(images, stars, strict=True)
        ]  # fmt: skip

    def integrated(self, stack: Stack, images: list[Node], more: dict[str, Any]) -> Node:
        """Return the master of a stack, which is also written."""
        rejection = self.options.rejection if stack.count > 2 else "no_rejection"
        # Range clipping is for holes and black edges; here those are missing samples, and a dark sky may be below 0.
        made = self.graph.add(
            "ImageIntegration", name=f"integrated-{stack.name}", images=images, rejection=rejection,
            range_clip_low=False, normalization_reference="best", **more,
        )  # fmt: skip
        self.write(f"write-{stack.name}", made, f"master_{stack.name}.fits")
        self.graph.outputs.append(made.name)
        if self.options.previews:
            # A colour camera's green has twice the samples and most of the sky: linked, all would be green.
            display = self.graph.add(
                "ScreenTransferFunction", name=f"display-{stack.name}", image=made, linked=not stack.mosaic
            )
            stretched = self.graph.add(
                "HistogramTransformation", name=f"stretched-{stack.name}", image=made, display=display
            )
            self.write(f"write-preview-{stack.name}", stretched, f"master_{stack.name}.png")
        return made

    def write(self, name: str, image: Node, path: str) -> None:
        self.graph.add("WriteImage", name=name, image=image, path=path)


# In luminance, or else green, stars are sharpest and most.
_REFERENCES = ("L", "G", "R", "B", "Ha")

# With fewer lights there is little rejection that differing levels could mislead.
_LOCAL = 3
# In the normalised range: registered lights have no black edges, which are missing, but skies about 0.
_ALL_SAMPLES = -1.0

# The brightest so many stars place, level and measure a light; the rest would add bytes to the store, and little else.
_STARS = 3000
_FITS = 1000

_BY_MEASURES = ("psf", "psf_snr", "formula")


def tail(name: str) -> str:
    """Return the name of a group of lights, or of a stack, out of that of a node made of it."""
    return name.partition("-")[2]


def _doc(matching: Matching, stacks: Stacks) -> str:
    lines = [f"Preprocessing of {sum(s.count for s in stacks.stacks)} lights into {len(stacks.stacks)} masters."]
    lines += [f"{link}" for link in matching.links if link.status in ("linked", "unresolved", "waived")]
    lines += [f"Left out: {item.path}: {item.why}" for item in (*matching.left_out, *stacks.left_out)]
    return "\n".join(lines)
