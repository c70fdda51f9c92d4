"""The graph that turns matched frames into masters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...engine.errors import GraphError, ParameterError
from ...engine.graph import Node
from ..document import Graph
from .combine import COMBINATIONS, Combine, add_combination
from .group import Group
from .match import FrameLink, Matching
from .stacks import Stack, Stacks

Keep = Literal["calibrated", "registered"]
KEEPS: tuple[Keep, ...] = ("calibrated", "registered")
REJECTIONS = (
    "auto", "no_rejection", "min_max", "percentile_clip", "sigma_clip", "winsorized_sigma_clip",
    "averaged_sigma_clip", "linear_fit", "esd", "rcr", "ccd_clip",
)  # fmt: skip
DEBAYERS = ("vng", "bilinear", "superpixel")
WEIGHTS = ("noise", "psf", "none")
NORMALIZATIONS = ("global", "local")

# What stands out by so many average deviations is no star's flank; WeightedBatchPreprocessing has the same.
_HOT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is to be made.

    Attributes
    ----------
    register
        Align all lights of an object on one reference; without it frames are stacked as they lie.
    cosmetic
        Replace hot pixels.
    rejection
        Of outliers in lights, see ImageIntegration; auto goes by the number of frames.
    debayer
        How colours are made of a mosaic.
    weights
        What a light counts by: its noise against its scale; the signal of its stars; nothing, all alike.
    normalization
        Levels of lights are made alike as a whole (global), or place by place (local), which also takes gradients
        that change in the course of a night.
    keep
        Also write the frames themselves: calibrated, registered.
    combine
        Make one picture of all masters: lrgb; auto makes it where red, green and blue are there.
    previews
        Also write each master as a picture, stretched for the eye.
    """

    register: bool = True
    cosmetic: bool = True
    rejection: str = "auto"
    debayer: str = "vng"
    weights: str = "noise"
    normalization: str = "global"
    keep: tuple[Keep, ...] = ()
    combine: Combine = "auto"
    previews: bool = True

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("rejection", self.rejection, REJECTIONS),
            ("debayer", self.debayer, DEBAYERS),
            ("weights", self.weights, WEIGHTS),
            ("normalization", self.normalization, NORMALIZATIONS),
            ("combine", self.combine, COMBINATIONS),
            *(("keep", k, KEEPS) for k in self.keep),
        ):
            if value not in choices:
                raise ParameterError(f"preprocess: {name} must be one of {', '.join(choices)}, got {value!r}")
        local = self.normalization == "local"
        for what, wanted in (("keep registered", "registered" in self.keep), ("local normalization", local)):
            if wanted and not self.register:
                raise ParameterError(f"preprocess: {what} wants registration, which is off")


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
    builder = _Builder(matching, options or Options())
    for object in stacks.objects:
        builder.add_object(stacks.of(object), several=len(stacks.objects) > 1)
    builder.graph.doc = _doc(matching, stacks)
    return builder.graph


class _Builder:
    """Adds nodes; masters that serve several groups are made once."""

    def __init__(self, matching: Matching, options: Options) -> None:
        self.graph = Graph()
        self.matching = matching
        self.options = options
        self.masters: dict[str, Node] = {}

    def add_object(self, stacks: Sequence[Stack], *, several: bool) -> None:
        """Add all from raw frames to the masters of one object, which lie on one grid."""
        ready = {stack.name: [self.prepared(group) for group in stack.groups] for stack in stacks}
        aligned = self.registered(stacks, ready) if self.options.register else ready
        integrated = {s.name: self.integrated(s, aligned[s.name], self.inputs(s, ready, aligned)) for s in stacks}
        by_filter = {stack.filter: integrated[stack.name] for stack in stacks}
        if len(by_filter) == len(stacks) and self.may_combine(by_filter):
            prefix = f"{stacks[0].name.removesuffix(stacks[0].filter).rstrip('_')}_" if several else ""
            add_combination(self.graph, by_filter, prefix, self.options.combine)

    def may_combine(self, by_filter: dict[str, Node]) -> bool:
        wanted = self.options.combine == "lrgb" or (self.options.combine == "auto" and self.options.register)
        missing = [f for f in ("R", "G", "B") if f not in by_filter]
        if self.options.combine == "lrgb" and missing:
            raise GraphError(
                f"preprocess: combination lrgb wants masters R, G and B (and L), got {', '.join(by_filter)}"
            )
        return wanted and not missing

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
        stars = [self.graph.add("DetectStars", name=f"stars-{_tail(n)}", image=n) for n in images]
        choice = self.graph.add("ChooseReference", name=f"choose-{chosen.name}", stars=stars)
        reference = self.graph.add("ReferenceFrame", name=f"reference-{chosen.name}", images=images, choice=choice)
        made = {}
        for stack in stacks:
            # A frame that cannot be aligned becomes one without samples, which the integration passes over.
            node = self.graph.add(
                "StarAlignment", name=f"registered-{stack.name}", images=ready[stack.name], reference=reference,
                on_failure="missing",
            )  # fmt: skip
            if "registered" in self.options.keep:
                self.write(f"write-registered-{stack.name}", node, f"registered_{stack.name}.fits")
            made[stack.name] = [node]
        return made

    # -- masters ----------------------------------------------------------------------------------

    def inputs(self, stack: Stack, ready: dict[str, list[Node]], aligned: dict[str, list[Node]]) -> dict[str, Any]:
        """Return what the integration of a stack takes besides its images: weights, locally normalised images."""
        found: dict[str, Any] = {"weight_mode": _WEIGHT_MODES[self.options.weights]}
        if self.options.weights == "psf":
            # Of the frames as they were taken: interpolation makes noise look less.
            found["weights"] = [
                self.graph.add("SubframeMeasures", name=f"measures-{_tail(n)}", image=n) for n in ready[stack.name]
            ]
        if self.options.normalization == "local" and stack.count > 1:
            found |= {
                "normalized": self.normalized(stack, aligned[stack.name]),
                "normalization": "local_normalization",
                "rejection_normalization": "local_rejection_normalization",
            }
        return found

    def normalized(self, stack: Stack, images: list[Node]) -> list[Node]:
        """Return *images* brought to the levels of the best of them, place by place.

        Scales come from what stands out of the sky, stars and all: whether star lists are long enough to tell them
        is known only when it is too late for another way.
        """
        stars = [self.graph.add("DetectStars", name=f"stars-{n.name}", image=n) for n in images]
        choice = self.graph.add("ChooseReference", name=f"choose-levels-{stack.name}", stars=stars)
        reference = self.graph.add("ReferenceFrame", name=f"levels-{stack.name}", images=images, choice=choice)
        return [
            self.graph.add(
                "LocalNormalization", name=f"normalized-{_tail(n)}", image=n, reference=reference, truncate=False
            )
            for n in images
        ]

    def integrated(self, stack: Stack, images: list[Node], more: dict[str, Any]) -> Node:
        """Return the master of a stack, which is also written."""
        rejection = self.options.rejection if stack.count > 2 else "no_rejection"
        # Range clipping is for holes and black edges; here those are missing samples, and a dark sky may be below 0.
        made = self.graph.add(
            "ImageIntegration", name=f"integrated-{stack.name}", images=images, rejection=rejection,
            range_clip_low=False, **more,
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

_WEIGHT_MODES = {"noise": "snr_estimate", "psf": "psf_signal_weight", "none": "dont_care"}


def _tail(node: Node) -> str:
    """Return the name of a group of lights, out of that of a node made of it."""
    return node.name.partition("-")[2]


def _doc(matching: Matching, stacks: Stacks) -> str:
    lines = [f"Preprocessing of {sum(s.count for s in stacks.stacks)} lights into {len(stacks.stacks)} masters."]
    lines += [f"{link}" for link in matching.links if link.status in ("linked", "unresolved", "waived")]
    lines += [f"Left out: {item.path}: {item.why}" for item in (*matching.left_out, *stacks.left_out)]
    return "\n".join(lines)
