"""What a Siril script has on its desk: a folder, sequences, files and the loaded image, as links of a graph."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from ...engine.graph import Link
from .outcome import Place
from .sheet import Sheet
from .ssf_words import Call, Unclear

EXTENSIONS = (".fit", ".fits", ".fts", ".fit.fz", ".fits.fz", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".ser", ".seq")
_TOKEN = re.compile(r"\$[^$]*\$")


@dataclass(frozen=True, slots=True)
class Alignment:
    """How the frames of a sequence are to be aligned."""

    reference: int = 0
    model: str = "homography"
    interpolation: str = "lanczos4"
    clamping: str = "undershoot"
    max_stars: int = 1500


@dataclass(frozen=True, slots=True)
class Drizzle:
    """What is to be drizzled when the sequence is stacked, and how."""

    frames: tuple[Link, ...]
    mosaic: bool
    alignment: Alignment
    scale: float
    drop_shrink: float
    kernel: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """Frames: links that are each a series of unknown length, or, if *single*, each one frame."""

    links: tuple[Link, ...]
    single: bool = False
    mosaic: bool = False
    alignment: Alignment | None = None
    drizzle: Drizzle | None = None

    def frames(self) -> tuple[Link, ...]:
        """Return the links; a sequence that waits for being drizzled has none yet."""
        if self.drizzle is not None:
            raise Unclear("frames that are drizzled can only be stacked here: drizzling and stacking are one process")
        return self.links

    def mapped(self, each: Callable[[Link, int], Link], *, mosaic: bool | None = None) -> Sequence:
        """Return the sequence that *each* makes of every link (given with its number)."""
        made = tuple(each(link, at) for at, link in enumerate(self.frames()))
        return replace(self, links=made, alignment=None, mosaic=self.mosaic if mosaic is None else mosaic)


@dataclass
class Stacked:
    """A file that `stack` made: written at the end if nothing else keeps it."""

    link: Link
    path: str
    used: bool = False
    options: dict[str, str] = field(default_factory=dict)


class Desk:
    """The state of a script between two commands."""

    def __init__(self, sheet: Sheet, script: Iterable[Call]) -> None:
        self.sheet = sheet
        self.folder = ""
        self.sequences: dict[str, Sequence] = {}
        self.files: dict[str, Link] = {}
        self.stacked: dict[str, Stacked] = {}
        self.loaded: Link | None = None
        self.loaded_name = ""
        self.extension = ".fit"
        self.threshold: float | None = None
        self.selection: tuple[int, int, int, int] | None = None
        self.written: set[str] = set()
        self._numbers = _numbers(script)

    # -- places -----------------------------------------------------------------------------------

    def path(self, text: str) -> str:
        """Return a path as it is seen from where the script begins, without the extension of an image."""
        whole = posixpath.normpath(posixpath.join(self.folder, text.replace("\\", "/")))
        for ending in sorted(EXTENSIONS, key=len, reverse=True):
            if whole.lower().endswith(ending):
                return whole[: -len(ending)]
        return whole

    def enter(self, folder: str) -> None:
        found = posixpath.normpath(posixpath.join(self.folder, folder.replace("\\", "/")))
        self.folder = "" if found == "." else found

    def target(self, text: str, extension: str) -> str:
        """Return where an output goes: inside the folder where the script begins, without words of headers."""
        path = self.path(text)
        if "$" in path:
            parts = posixpath.basename(_TOKEN.sub("$", path)).split("_")
            name = "_".join(p for p in parts if p and "$" not in p) or "result"
            self.sheet.note("differs", text, f"file names are not filled in from headers: written to '{name}'")
            path = posixpath.join(posixpath.dirname(path), name)
        if path.startswith(("..", "/")) or re.match(r"[A-Za-z]:", path):
            name = posixpath.basename(path) or "result"
            self.sheet.note("differs", text, f"lies outside of the folder where the script begins: written to '{name}'")
            path = name
        return path + extension

    # -- sequences --------------------------------------------------------------------------------

    def sequence(self, name: str) -> Sequence:
        """Return sequence *name*: known, or made of numbered files, or else a new input of the graph."""
        key = self.sequence_key(name)
        if key in self.sequences:
            return self.sequences[key]
        numbered = re.compile(re.escape(key) + r"_?\d{1,5}")
        files = sorted(k for k in self.files if numbered.fullmatch(k))
        if files:
            links = tuple(self.file(posixpath.relpath(f, self.folder or ".")) for f in files)
            self.sequences[key] = Sequence(links, single=True)
        else:
            self.sequences[key] = self.given(name, f"the frames of sequence {key}", converted=False)
        return self.sequences[key]

    def sequence_key(self, name: str) -> str:
        return self.path(name).rstrip("_")

    def keep(self, name: str, sequence: Sequence) -> None:
        self.sequences[self.sequence_key(name)] = sequence

    def given(self, name: str, doc: str, *, converted: bool) -> Sequence:
        """Return a sequence from outside; single frames where the script speaks of them by number.

        Where it is *converted*, it is made of all images in the current folder.
        """
        base = posixpath.basename(self.sequence_key(name))
        count = self._counted(base)
        plain = self.input_name(base)
        if count:
            links = tuple(
                self.sheet.source(
                    f"{plain}-{i}", f"{doc}, number {i}", series=False,
                    place=Place(self.folder or ".", number=i) if converted else Place(f"{self.path(name)}_{i:05d}"),
                )
                for i in range(1, count + 1)
            )  # fmt: skip
            return Sequence(links, single=True)
        place = Place(self.folder or ".", whole=True) if converted else None
        return Sequence((self.sheet.source(plain, doc, series=True, place=place),))

    def input_name(self, base: str) -> str:
        """Return what frames are called that come from outside: their folder, where it tells what they are."""
        folder = posixpath.basename(self.folder)
        return folder if folder and folder not in ("process", "..") else base

    def _counted(self, base: str) -> int:
        """Return the highest number of a frame of *base* (or of what became of it) that the script names."""
        return self._numbers.get(base, 0)

    # -- files ------------------------------------------------------------------------------------

    def file(self, name: str) -> Link:
        """Return the image in file *name*: made before, one frame of a sequence, or a new input of the graph."""
        key = self.path(name)
        if key in self.stacked:
            self.stacked[key].used = True
        if key in self.files:
            return self.files[key]
        frame = re.fullmatch(r"(.*?)_?(\d{5})", key)
        if frame is not None and (sequence := self.sequences.get(frame[1])) is not None:
            return self._frame(sequence, int(frame[2]), name)
        self.files[key] = self.sheet.source(posixpath.basename(key), f"image {key}", series=False, place=Place(key))
        return self.files[key]

    def _frame(self, sequence: Sequence, number: int, name: str) -> Link:
        links = sequence.frames()
        if not sequence.single or not 1 <= number <= len(links):
            raise Unclear(f"frame {name} cannot be told apart: it is not known how many frames the sequence has")
        return links[number - 1]

    def image(self) -> Link:
        """Return the loaded image."""
        if self.loaded is None:
            raise Unclear("no image is loaded")
        return self.loaded

    def load(self, image: Link | None, name: str) -> None:
        self.loaded, self.loaded_name = image, posixpath.basename(self.path(name))

    def store(self, name: str, image: Link) -> None:
        """Let file *name* be *image*."""
        key = self.path(name)
        self.files[key] = image
        self.stacked.pop(key, None)

    def write(self, text: str, image: Link, extension: str = "", **params: object) -> None:
        """Add a node that writes *image* where the script says."""
        path = self.target(text, extension or self.extension)
        if path in self.written:
            self.sheet.note("differs", text, f"{path} was written before: this one gets a number")
            stem, ending = posixpath.splitext(path)
            path = next(p for i in range(2, 10_000) if (p := f"{stem}-{i}{ending}") not in self.written)
        self.written.add(path)
        name = f"write-{posixpath.basename(posixpath.splitext(path)[0])}"
        self.sheet.add("WriteImage", name, image=image, path=path, **params)
        if image.node not in self.sheet.graph.outputs:
            self.sheet.graph.outputs.append(image.node)

    def finish(self) -> None:
        """Write what was stacked and neither loaded again nor lies among intermediate frames."""
        folders = {posixpath.dirname(k) for k in self.sequences}
        for item in self.stacked.values():
            if item.used and posixpath.dirname(item.path) in folders:
                continue
            self.sheet.where = "at the end"
            here, self.folder = self.folder, ""
            self.write(item.path, item.link, **item.options)
            self.folder = here


def _numbers(script: Iterable[Call]) -> dict[str, int]:
    """Return the highest number with which frames of each name are spoken of: ``r_light_00003`` is one of light."""
    found: dict[str, int] = {}
    for call in script:
        for name, number in _NUMBERED.findall(str(call)):
            parts = name.split("_")[-_PREFIXES:]
            for at in range(len(parts)):
                base = "_".join(parts[at:])
                found[base] = max(found.get(base, 0), int(number))
    return found


# So many prefixes (r_, pp_, bkg_ ...) are looked through at most.
_PREFIXES = 12
_NUMBERED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_]*)_(\d{5})(?!\d)", re.A)
