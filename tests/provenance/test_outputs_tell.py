"""Every output tells how it was made, in its own format, and nothing else of it changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import xxhash
from astropy.io import fits
from PIL import Image

from lerarlink import Graph
from lerarlink.engine.errors import GraphError, SourceError
from lerarlink.graphs.provenance_reading import decoded
from lerarlink.tools.embedded import needed_document, read_document
from lerarlink.tools.pixel_comparison import deviation

Recipe = Callable[..., Graph]
FORMATS = ("a.fits", "a.fits.fz", "a.xisf", "a.tif", "a.png", "a.jpg")


def written(sky: Path, path: Path, **options: object) -> Path:
    """Write the inverse of one frame to *path*."""
    graph = Graph()
    image = graph.add("ReadImage", name="light", path=str(sky / "R.fits"))
    graph.add("WriteImage", name="out", image=graph.add("Invert", name="inverse", image=image), path=str(path))
    graph.run(**options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_the_graph_the_keys_and_the_sources(name: str, sky: Path, tmp_path: Path) -> None:
    found = needed_document(written(sky, tmp_path / name))
    assert (found.node, found.image, found.index, found.private) == ("out", "inverse.image", None, False)
    (source,) = found.sources
    assert source.digest == xxhash.xxh3_128_hexdigest((sky / "R.fits").read_bytes())
    assert (source.node, source.name, source.bytes) == ("light", "R.fits", (sky / "R.fits").stat().st_size)
    assert set(found.keys) == {"light", "inverse", "out"}
    graph = found.graph()
    assert graph["inverse"].image.key == found.key
    assert found.roles["light"]["filter"] == "R" and found.versions["lerarlink"]
    assert graph.spec("out").params["path"] == name


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_told_changes_no_pixel_and_no_key(name: str, sky: Path, tmp_path: Path) -> None:
    told = written(sky, tmp_path / "told" / name)
    silent = written(sky, tmp_path / "silent" / name, provenance=False)
    private = written(sky, tmp_path / "private" / name, private=True)
    assert read_document(silent) is None
    assert not list(silent.parent.glob("*.lerar.json"))
    assert deviation(told, silent) is None and deviation(told, private) is None
    assert needed_document(told).keys == needed_document(private).keys


def test_equal_runs_into_other_folders_write_equal_files(sky: Path, tmp_path: Path) -> None:
    for name in ("a.fits", "a.xisf", "a.tif", "a.png", "a.jpg"):
        one, other = (written(sky, tmp_path / place / name) for place in "xy")
        assert one.read_bytes() == other.read_bytes()


def test_other_programs_read_the_files_and_find_the_text(sky: Path, tmp_path: Path) -> None:
    with fits.open(written(sky, tmp_path / "a.fits")) as hdus:
        hdus.verify("exception")
        assert hdus[0].header["EXTEND"] is True
        told = json.loads(hdus["LERARLINK"].data["JSON"][0])
        lines = list(hdus[0].header["HISTORY"])
    assert told["output"]["node"] == "out"
    assert any(line.startswith("light: io.read_image R.fits") for line in lines)
    assert "inverse: math.invert image=light.image" in lines
    with tifffile.TiffFile(written(sky, tmp_path / "a.tif")) as file:
        assert json.loads(file.pages[0].tags[65121].value)["sources"] == told["sources"]
    with Image.open(written(sky, tmp_path / "a.png")) as picture:
        assert json.loads(picture.text["lerarlink provenance"])["output"] == told["output"]  # type: ignore[attr-defined]
    header = written(sky, tmp_path / "a.xisf").read_bytes()[:200_000].decode("utf-8", "replace")
    assert re.search(r'<Property id="Lerarlink:Provenance" type="String">\{"format":"lerarlink prov', header)


def test_a_picture_made_anew_loses_the_old_story_beside_it(sky: Path, tmp_path: Path) -> None:
    path = written(sky, tmp_path / "a.jpg")
    beside = tmp_path / "a.jpg.lerar.json"
    assert beside.exists()
    written(sky, path, provenance=False)
    assert not beside.exists()


def test_what_a_source_tells_of_itself_is_not_told_again(sky: Path, tmp_path: Path) -> None:
    for ending in ("fits", "xisf"):
        first = written(sky, tmp_path / f"first.{ending}")
        graph = Graph()
        image = graph.add("ReadImage", path=str(first))
        graph.add("WriteImage", name="second", image=image, path=str(tmp_path / "b.xisf"))
        graph.run()
        assert (tmp_path / "b.xisf").read_bytes().count(b'id="Lerarlink:Provenance"') == 1
        assert needed_document(tmp_path / "b.xisf").node == "second"


def test_frames_of_a_series_tell_which_they_are(sky: Path, tmp_path: Path) -> None:
    graph = Graph()
    lights = graph.add("ReadSeries", name="lights", paths=tuple(str(sky / f"{c}.fits") for c in "RGB"))
    graph.add("WriteImage", name="out", image=lights, path=str(tmp_path / "frame.fits"))
    graph.run()
    told = [needed_document(tmp_path / f"frame_000{n}.fits") for n in (1, 2, 3)]
    assert [t.index for t in told] == [0, 1, 2]
    assert len({t.key for t in told}) == 3 and all(t.keys == told[0].keys for t in told)
    assert [s.name for s in told[0].sources] == ["R.fits", "G.fits", "B.fits"]
    assert told[0].roles["lights"]["kind"] == "light" and "filter" not in told[0].roles["lights"]


def test_packs_of_others_are_told_with_their_versions(
    sky: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs = (("lerarlink.nodes.math", "a-pack", "1.2"), ("lerarlink.nodes.stretch", "another-pack", "3.4"))
    monkeypatch.setattr("lerarlink.graphs.provenance._packs", lambda: packs)
    found = needed_document(written(sky, tmp_path / "a.fits"))
    assert found.versions["packs"] == {"a-pack": "1.2"}


# -- private ------------------------------------------------------------------------------------------


def secret_light(folder: Path) -> Path:
    header = fits.Header()
    for key, value in {
        "SITELAT": 48.1234, "SITELONG": 11.5678, "OBSERVER": "Ada Anybody", "SITEELEV": 512.0,
        "HISTORY": "calibrated with /home/ada/secret place/dark.fits", "ORIGFILE": "D:\\ada\\secret place\\raw.fits",
        "FILTER": "Ha", "EXPTIME": 60.0,
    }.items():  # fmt: skip
        header[key] = value
    path = folder / "secret place" / "light.fits"
    path.parent.mkdir()
    fits.writeto(path, np.ones((20, 30), np.float32), header)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_private_outputs_tell_no_folder_no_site_and_no_observer(name: str, tmp_path: Path) -> None:
    light = secret_light(tmp_path)
    out = tmp_path / "out"
    graph = Graph()
    graph.doc = f"made of {light}"
    image = graph.add("ReadImage", path=str(light))
    graph.add("WriteImage", image=image, path=str(out / name))
    for told in (True, False):
        graph.run(private=True, provenance=told)
        for file in out.iterdir():
            data = file.read_bytes()
            for secret in (b"48.1234", b"11.5678", b"Anybody", b"secret place", b"512.0", str(tmp_path).encode()):
                assert secret not in data, (file, secret)
    graph.run()
    assert any(b"secret place" in f.read_bytes() for f in out.iterdir())
    if name.endswith((".fits", ".xisf")):
        assert b"48.1234" in (out / name).read_bytes() and b"Ha" in (out / name).read_bytes()


def test_private_outputs_of_one_name_are_told_apart(sky: Path, tmp_path: Path) -> None:
    graph = Graph()
    image = graph.add("ReadImage", name="light", path=str(sky / "R.fits"))
    for place in "ab":
        graph.add("WriteImage", name=f"write-{place}", image=image, path=str(tmp_path / place / "x.fits"))
    graph.run(private=True)
    nodes = needed_document(tmp_path / "a" / "x.fits").graph()
    assert {n: nodes.spec(n).params["path"] for n in ("write-a", "write-b")} == {
        "write-a": "write-a-x.fits", "write-b": "write-b-x.fits",
    }  # fmt: skip
    graph.run()
    nodes = needed_document(tmp_path / "a" / "x.fits").graph()
    assert [nodes.spec(n).params["path"] for n in ("write-a", "write-b")] == ["a/x.fits", "b/x.fits"]


# -- hostile ------------------------------------------------------------------------------------------


def test_files_that_tell_nothing_are_said_to(sky: Path) -> None:
    assert read_document(sky / "R.fits") is None
    with pytest.raises(GraphError, match=r"R\.fits: the file does not tell how it was made"):
        needed_document(sky / "R.fits")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "wanted text with format 'lerarlink provenance', got 'other'"),
        ({"version": 2}, "newer version"),
        ({"version": True}, "version: wanted 1"),
        ({"sources": [{"node": "x"}]}, r"sources\[0\]: wanted the fields"),
        ({"sources": 3}, "sources: wanted a list"),
        ({"private": "no"}, "private: wanted true or false"),
        ({"output": {"node": "nowhere", "image": "a.b", "index": None, "key": ""}}, "wanted a node of the graph"),
        ({"output": {"node": 1, "image": "a.b", "index": None, "key": ""}}, "output: wanted texts"),
        ({"output": {"node": "out", "image": "a.b", "index": -1, "key": ""}}, "output, index"),
        ({"keys": [1]}, "keys: wanted a mapping of texts"),
        ({"roles": {"light": 1}}, "roles: wanted mappings"),
        ({"roles": {"light": {"exposure": "long"}}}, "roles, light, exposure"),
        ({"roles": {"light": {"site": "here"}}}, "roles, light: wanted words"),
        ({"versions": {"packs": {}}}, "versions: wanted the version of lerarlink"),
        ({"graph": {"format": "x"}}, "this is no graph"),
        ({"graph": []}, "graph: wanted a graph document"),
    ],
)
def test_a_text_that_breaks_a_rule_is_refused_in_a_sentence(
    change: dict[str, object], message: str, sky: Path, tmp_path: Path
) -> None:
    told = json.loads(needed_document(written(sky, tmp_path / "a.fits")).provenance().data)
    with pytest.raises(GraphError, match=message):
        decoded(json.dumps({**told, **change}).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b'{"format": NaN}', b"null"])
def test_what_is_no_text_of_ours_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(GraphError, match=r"wanted|not JSON"):
        decoded(data)


def test_damaged_files_are_refused_with_their_names(sky: Path, tmp_path: Path) -> None:
    written(sky, tmp_path / "a.jpg")
    (tmp_path / "a.jpg.lerar.json").write_text("{}")
    for name in ("a.jpg", "a.jpg.lerar.json"):
        with pytest.raises(GraphError, match=rf"{name}: wanted text with format"):
            read_document(tmp_path / name)
    for name in ("b.fits", "b.xisf", "b.tif", "b.png"):
        whole = written(sky, tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[:40])
        with pytest.raises(SourceError, match=re.escape(name)):
            read_document(tmp_path / name)
    (tmp_path / "c.txt").write_text("no image")
    assert read_document(tmp_path / "c.txt") is None


def test_a_text_cut_off_anywhere_is_refused(sky: Path, tmp_path: Path) -> None:
    data = needed_document(written(sky, tmp_path / "a.fits")).provenance().data
    for cut in range(0, len(data), 37):
        with pytest.raises(GraphError):
            decoded(data[:cut])
