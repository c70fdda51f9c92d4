"""What process icons are put onto: the current image, and images called by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...engine.graph import Link
from .sheet import Sheet
from .xpsm_reading import Rows
from .xpsm_values import Reading


class Unclear(Exception):
    """An instance has no counterpart as it is; says why."""


class Desk:
    """The images that are open, so to say."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.current: Link | None = None
        self._image: Link | None = None
        self._named: dict[str, Link] = {}

    def begin(self) -> None:
        """Take the input image again."""
        self.current = None

    def image(self) -> Link:
        """Return the image that the next process is put onto."""
        if self.current is None:
            if self._image is None:
                self._image = self.sheet.source("image", "the image that icons are dragged onto", series=False)
            self.current = self._image
        return self.current

    def named(self, name: str) -> Link:
        """Return the image with an identifier; the first time it becomes an input of the graph."""
        if name not in self._named:
            self._named[name] = self.sheet.source(name, f"the image called {name} in PixInsight", series=False)
        return self._named[name]

    def name(self, identifier: str, image: Link) -> None:
        """Let an identifier be *image* for the icons that follow."""
        if identifier:
            self._named[identifier] = image

    def master(self, role: str, path: str) -> Link:
        """Return a calibration master; its path is kept, and may be replaced by the input's name."""
        return self._filled(self.sheet.source(role, f"{role.replace('-', ' ')}{_was(path)}", series=False), path)

    def frames(self, rows: Rows, kinds: Iterable[str] = ("path", "target", "image")) -> Link:
        """Return the series of frames that a table lists; without any it is to be given by name."""
        paths = tuple(p for row in rows if _enabled(row) and (p := _path(row, tuple(kinds))))
        link = self.sheet.source("frames", f"the frames{_was(paths[0] if paths else '')}", series=True)
        return self._filled(link, paths)

    def _filled(self, link: Link, value: str | tuple[str, ...]) -> Link:
        if value:
            self.sheet.graph.set(link.node, "path" if isinstance(value, str) else "paths", value)
        return link

    def alike(self, reading: Reading, process: str, **more: Any) -> Link:
        """Add *process* on the current image, with the parameters of the same names."""
        params = {**reading.params(process), **more}
        return self.sheet.image(process, reading.instance.name, image=self.image(), **params)


def _was(path: str) -> str:
    return f", there {path}" if path else ""


def _enabled(row: Mapping[str, str]) -> bool:
    return all(v.lower() != "false" for k, v in row.items() if k.lower().endswith("enabled"))


def _path(row: Mapping[str, str], kinds: tuple[str, ...]) -> str:
    """Return the file a row names: PixInsight calls the column path, targetPath, image or the like."""
    for kind in kinds:
        for key, value in row.items():
            if key.lower() in (kind, f"{kind}path") and value:
                return value
    return ""
