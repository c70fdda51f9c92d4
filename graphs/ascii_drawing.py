"""A graph as text: boxes and lines of plain ASCII, or a list where boxes would not fit the width."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..engine.graph import Graph
from .labels import Label, cut, labels, wires
from .layers import Place, layered, places

WIDTH = 100
_GAP = 2
# Widths of boxes that are tried, until the drawing is narrow enough.
_TRIES = (34, 26, 20, 16, 13)


def draw(graph: Graph, notes: dict[str, str]) -> str:
    """Return the drawing, at most WIDTH columns wide."""
    told = labels(graph, notes)
    layers = places(graph)
    feeding = {wire.source for wire in wires(graph) if not wire.tunes}
    for i in range(len(_TRIES)):
        # Only the layers that need it get narrow boxes; all of them where lines take the room.
        most = [next((m for m in _TRIES[i:] if _fits(told, layer, m)), 0) for layer in layers]
        if not all(most):
            break
        made = _Canvas(told, most, feeding).drawn(layers)
        if max(map(len, made), default=0) <= WIDTH:
            return "\n".join(made) + "\n"
    return listed(graph, notes)


def _fits(told: dict[str, Label], layer: list[Place], most: int) -> bool:
    return sum(_wide(told, p, most) + _GAP for p in layer) - _GAP <= WIDTH


def listed(graph: Graph, notes: dict[str, str]) -> str:
    """Return one line a node, sources first: name, process, what is linked, parameters."""
    told = labels(graph, notes)
    into: dict[str, list[str]] = {}
    for wire in wires(graph):
        into.setdefault(wire.node, []).append(f"{wire.source} > {wire.label}" if wire.label else wire.source)
    names = [n for layer in layered(graph) for n in layer]
    name_wide = min(30, max(map(len, names), default=0))
    process_wide = min(30, max((len(told[n].process) for n in names), default=0))
    lines = []
    for node in names:
        label = told[node]
        said = [f"<- {', '.join(into[node])}"] if node in into else []
        said += [*label.params, *([label.note] if label.note else [])]
        head = f"{cut(_plain(node), name_wide):{name_wide}}  {cut(_plain(label.process), process_wide):{process_wide}}"
        lines.append(cut(f"{head}  {_plain('; '.join(said))}".rstrip(), WIDTH))
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def _lines(label: Label, most: int) -> list[str]:
    return [cut(_plain(line), most - 4) for line in label.lines()]


def _wide(told: dict[str, Label], place: Place, most: int) -> int:
    if place.bend:
        return 1
    # Odd, so that there is a middle; and room for the lines that come in.
    wide = max(7, 4 + max(map(len, _lines(told[place.node], most))), 2 * len(place.above) + 5)
    return wide + (wide + 1) % 2


@dataclass(eq=False, slots=True)
class _Net:
    """All lines that leave one place downward, as one tree; dotted where they only tune parameters."""

    exit: int
    entries: list[int] = field(default_factory=list)
    track: int = -1
    dotted: bool = False

    @property
    def upright(self) -> str:
        return ":" if self.dotted else "|"

    @property
    def straight(self) -> bool:
        return self.entries == [self.exit]

    @property
    def span(self) -> tuple[int, int]:
        return min(self.exit, *self.entries), max(self.exit, *self.entries)


class _Canvas:
    """Places layers one below the other and the lines between them."""

    def __init__(self, told: dict[str, Label], most: list[int], feeding: set[str]) -> None:
        self.told, self.most, self.feeding = told, most, feeding
        self.left: dict[int, int] = {}
        self.entry: dict[tuple[int, int], int] = {}

    def drawn(self, layers: list[list[Place]]) -> list[str]:
        rows: list[list[str]] = []
        for layer, below in zip(layers, [*layers[1:], []], strict=False):
            if not rows:
                self._seat(layer, [])
            rows += self._boxes(layer)
            if below:
                self._seat(below, layer)
                rows += self._channel(layer, below)
        return ["".join(row).rstrip() for row in rows]

    # -- where boxes stand ------------------------------------------------------------------------

    def wide(self, place: Place) -> int:
        return _wide(self.told, place, self.most[place.layer])

    def upright(self, place: Place) -> str:
        """Return how lines that leave a place go down: what feeds nobody only tunes."""
        return "|" if place.node in self.feeding else ":"

    def exit(self, place: Place) -> int:
        return self.left[id(place)] + self.wide(place) // 2

    def _seat(self, layer: list[Place], upper: list[Place]) -> None:
        """Seat a layer from left to right, as near below its neighbours as its order and WIDTH allow.

        No line may come in at the column where another leaves the layer above: the two would become one.
        """
        taken = {self.exit(p): id(p) for p in upper if p.below}
        rest = sum(map(self.wide, layer)) + _GAP * (len(layer) - 1)
        least = 0
        for place in layer:
            wish = [self.exit(a) for a in place.above]
            left = round(sum(wish) / len(wish)) - self.wide(place) // 2 if wish else least
            left = max(least, min(left, WIDTH - rest))
            while not self._enter(place, left, taken):
                left += 1
            self.left[id(place)] = left
            least = left + self.wide(place) + _GAP
            rest -= self.wide(place) + _GAP

    def _enter(self, place: Place, left: int, taken: dict[int, int]) -> bool:
        """Give each line into *place* its column; return whether all found one."""
        above = sorted(place.above, key=self.exit)
        if place.bend:
            self.entry[id(above[0]), id(place)] = left
            return taken.get(left, id(above[0])) == id(above[0])
        low, high = left + 1, left + self.wide(place) - 2
        used: set[int] = set()
        for i, source in enumerate(above):
            # Straight down where that hits the box, else spread evenly.
            out = self.exit(source)
            wish = out if low <= out <= high and out not in used else low + (high - low) * (i + 1) // (len(above) + 1)
            free = [c for c in range(low, high + 1) if c not in used and taken.get(c, id(source)) == id(source)]
            if not free:
                return False
            column = min(free, key=lambda c: _unease(c, wish, used))
            used.add(column)
            self.entry[id(source), id(place)] = column
        return True

    # -- what is drawn ----------------------------------------------------------------------------

    def _boxes(self, layer: list[Place]) -> list[list[str]]:
        tall = max(len(_lines(self.told[p.node], self.most[p.layer])) for p in layer if not p.bend) + 2
        rows = _blank(tall)
        for place in layer:
            left, wide = self.left[id(place)], self.wide(place)
            if place.bend:
                for row in rows:
                    row[left] = self.upright(place)
                continue
            lines = _lines(self.told[place.node], self.most[place.layer])
            for y, text in enumerate(["", *lines, ""]):
                frame = y in (0, len(lines) + 1)
                cells = f"+{'-' * (wide - 2)}+" if frame else f"| {text:{wide - 4}} |"
                rows[y][left : left + wide] = cells
            for y in range(len(lines) + 2, tall) if place.below else ():
                rows[y][self.exit(place)] = self.upright(place)
        return rows

    def _channel(self, upper: list[Place], lower: list[Place]) -> list[list[str]]:
        nets = [
            _Net(self.exit(p), sorted(self.entry[id(p), id(q)] for q in p.below), dotted=p.node not in self.feeding)
            for p in upper
            if p.below
        ]
        count = _assign_tracks([n for n in nets if not n.straight])
        rows = _blank(count + 2 if nets else 1)
        for net in nets:
            _draw_net(rows, net)
        for place in lower:
            for source in place.above:
                column = self.entry[id(source), id(place)]
                rows[-1][column] = self.upright(source) if place.bend else "v"
        return rows


def _unease(column: int, wish: int, used: set[int]) -> tuple[bool, int, int]:
    """Return how little a column is liked: lines side by side hardly read as two."""
    return column - 1 in used or column + 1 in used, abs(column - wish), column


def _blank(rows: int) -> list[list[str]]:
    # Wider than allowed, so that what does not fit is seen and another width tried.
    return [[" "] * (WIDTH * 4) for _ in range(rows)]


def _assign_tracks(nets: list[_Net]) -> int:
    """Give each net the first row where nothing is in its way; return how many rows there are."""
    ends: list[int] = []
    for net in sorted(nets, key=lambda n: n.span):
        low, high = net.span
        # With room between them, or an upright line there would seem to join two nets into one.
        net.track = next((i for i, end in enumerate(ends) if end < low - 3), len(ends))
        ends[net.track : net.track + 1] = [high]
    return len(ends)


def _draw_net(rows: list[list[str]], net: _Net) -> None:
    if net.straight:
        for row in rows:
            row[net.exit] = net.upright
        return
    at = net.track + 1
    low, high = net.span
    for column in range(low, high + 1):
        # A line that crosses goes on: the upright one stays whole.
        rows[at][column] = rows[at][column] if rows[at][column] in "|:" else "." if net.dotted else "-"
    for y in range(at):
        rows[y][net.exit] = net.upright
    for column in net.entries:
        for row in rows[at + 1 :]:
            row[column] = net.upright
    for column in (net.exit, *net.entries):
        rows[at][column] = "+"
