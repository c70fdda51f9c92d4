"""The house has floors: nothing imports upward, and each foreign library has its doors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FLOORS = {"engine": 0, "nodes": 1, "graphs": 1, "tools": 2}

# Which files may import a foreign library. Everything not named here is free.
DOORS = {
    "networkx": {"engine/wiring.py"},
    "dask": {"engine/schedule.py", "engine/image.py"},
    "distributed": {"engine/cluster.py"},
    "msgpack": {"engine/identity.py", "engine/stored_pixels.py", "graphs/"},
    "yaml": {"graphs/", "tools/cli/"},
    "astropy": {"nodes/io/", "nodes/time/_barycentric.py", "nodes/time/_box_search.py", "nodes/measure/_celestial.py"},
    "tifffile": {"nodes/io/"},
    "lz4": {"nodes/io/"},
    "zstandard": {"nodes/io/"},
    "rawpy": {"nodes/io/", "tools/cli/"},
    "PIL": {"nodes/io/", "engine/image.py", "tools/"},
    "click": {"tools/cli/"},
    "rich_click": {"tools/cli/"},
    "rich": {"tools/"},
    "matplotlib": {"tools/plots.py"},
    "platformdirs": {"engine/folders.py"},
}


def sources() -> list[Path]:
    return [p for floor in FLOORS for p in sorted((ROOT / floor).rglob("*.py"))]


def own_imports(path: Path) -> Iterator[str]:
    """Yield the imported modules of the package itself, as paths from its root."""
    here = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - (node.level - 1)]
            module = [*base, *(node.module or "").split(".")]
            yield "/".join(p for p in module if p)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lerarlink"):
            yield (node.module or "").partition(".")[2].replace(".", "/")


def foreign_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def test_nothing_imports_upward() -> None:
    wrong = []
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        floor = name.partition("/")[0]
        for module in own_imports(path):
            other = module.partition("/")[0]
            if other in FLOORS and (FLOORS[other] > FLOORS[floor] or {floor, other} == {"nodes", "graphs"}):
                wrong.append(f"{name} imports {module}")
    assert not wrong


def test_nodes_use_the_engines_front_door_and_their_own_family_only() -> None:
    wrong = []
    for path in sorted((ROOT / "nodes").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        family = "/".join(name.split("/")[:2])
        for module in own_imports(path):
            if module == "engine/api" or module.startswith(family):
                continue
            wrong.append(f"{name} imports {module}")
    assert not wrong


def test_each_foreign_library_has_its_doors() -> None:
    wrong = []
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        wrong += [f"{name} imports {lib}" for lib in foreign_imports(path) if lib in DOORS and not open_to(name, lib)]
    assert not wrong


def open_to(name: str, library: str) -> bool:
    return any(name == door or (door.endswith("/") and name.startswith(door)) for door in DOORS[library])


def test_the_test_sees_imports() -> None:
    """Guards the guards: an empty walk would pass everything."""
    assert len(sources()) > 40
    assert "networkx" in set(foreign_imports(ROOT / "engine/wiring.py"))
    assert "engine/errors" in set(own_imports(ROOT / "engine/wiring.py"))


def test_every_package_is_installed() -> None:
    """The list in pyproject.toml is explicit: a folder it forgets works in a checkout and nowhere else."""
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    found = {
        ".".join(["lerarlink", *path.parent.relative_to(ROOT).parts])
        for floor in FLOORS
        for path in (ROOT / floor).rglob("__init__.py")
    }
    assert set(listed) == {"lerarlink", *found}
