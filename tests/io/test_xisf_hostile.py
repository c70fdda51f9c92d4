"""Damaged and malicious XISF files: one sentence, little memory, no other file touched."""

from __future__ import annotations

import hashlib
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

from lerarlink.engine.api import Frame, SourceError
from lerarlink.nodes.io._reader import WriteOptions
from lerarlink.nodes.io._xisf import open_xisf
from lerarlink.nodes.io._xisf_write import write_xisf

GOOD = {"geometry": "4:3:1", "sampleFormat": "UInt8", "location": "attachment:2048:12"}


def content(xml: str, data: bytes = bytes(12)) -> bytes:
    text = xml.encode()
    return (b"XISF0100" + len(text).to_bytes(4, "little") + bytes(4) + text).ljust(2048, b"\0") + data


def image(data: bytes = bytes(12), prolog: str = "", **changes: str) -> bytes:
    given = "".join(f' {k}="{v}"' for k, v in {**GOOD, **changes}.items())
    return content(f'{prolog}<xisf version="1.0"><Image{given}></Image></xisf>', data)


def read(tmp_path: Path, given: bytes) -> np.ndarray:
    path = tmp_path / "hostile.xisf"
    path.write_bytes(given)
    reader = open_xisf(path)
    return reader.read(reader.frame.box)


def test_the_file_that_is_bent_below_is_good(tmp_path: Path) -> None:
    assert read(tmp_path, image(bytes(range(12)))).ravel().tolist() == list(range(12))


HUGE = str(2**40)
BENT = {
    "negative size": ({"geometry": "-4:3:1"}, "geometry"),
    "no size": ({"geometry": "0:3:1"}, "sizes"),
    "huge geometry": ({"geometry": "999999999:999999999:999"}, "the pixels take"),
    "absurd digits": ({"geometry": "4" * 5000 + ":3:1"}, "geometry"),
    "one dimension": ({"geometry": "12"}, "geometry"),
    "three dimensions": ({"geometry": "2:2:3:1"}, "two dimensions"),
    "foreign digits": ({"geometry": "\u0664:3:1"}, "geometry"),
    "complex": ({"sampleFormat": "Complex32"}, "complex images cannot be read"),
    "unknown format": ({"sampleFormat": "Float128"}, "sampleFormat"),
    "unknown colours": ({"colorSpace": "CMYK"}, "colorSpace"),
    "Lab": ({"colorSpace": "CIELab"}, "convert them to RGB"),
    "RGB of one channel": ({"colorSpace": "RGB"}, "3 channels"),
    "bounds upside down": ({"sampleFormat": "UInt8", "bounds": "1:0"}, "bounds"),
    "bounds of nothing": ({"bounds": "nan:inf"}, "bounds"),
    "bounds of words": ({"bounds": "a:b"}, "could not convert"),
    "past the end": ({"location": "attachment:2050:12"}, "truncated"),
    "far past the end": ({"location": f"attachment:{10**17}:12"}, "truncated"),
    "negative position": ({"location": "attachment:-1:12"}, "location"),
    "block too short": ({"location": "attachment:2048:11"}, "12 bytes, the block declares 11"),
    "other file": ({"location": "path(@header_dir/../secret.xisb)"}, "not followed"),
    "url": ({"location": "url(http://example.org/x):1"}, "not followed"),
    "no location": ({"location": ""}, "location"),
    "embedded nothing": ({"location": "embedded"}, "no Data"),
    "bad inline": ({"location": "inline:rot13"}, "encoding"),
    "unknown codec": ({"compression": "rar:12"}, "compression"),
    "shuffled by nothing": ({"compression": "zlib+sh:12"}, "item size"),
    "shuffled by zero": ({"compression": "zlib+sh:12:0"}, "item size"),
    "decoded size differs": ({"compression": "zlib:13"}, "declares 13"),
    "zlib bomb": ({"geometry": f"{2**20}:{2**20}:1", "compression": f"zlib:{HUGE}"}, "cannot hold"),
    "zstd bomb": ({"geometry": f"{2**20}:{2**20}:1", "compression": f"zstd:{HUGE}"}, "cannot hold"),
    "lz4 bomb": ({"geometry": f"{2**20}:{2**20}:1", "compression": f"lz4:{HUGE}"}, "cannot hold"),
    "garbage zlib": ({"compression": "zlib:12"}, "damaged zlib"),
    "garbage lz4": ({"compression": "lz4:12"}, "lz4"),
    "garbage zstd": ({"compression": "zstd:12"}, "zstd"),
    "parts too long": ({"compression": "zlib:12", "subblocks": "6,6:9,6"}, "sub-blocks"),
    "parts that are none": ({"compression": "zlib:12", "subblocks": "6:6,6"}, "subblocks"),
    "unknown checksum": ({"checksum": "md5:" + "0" * 40}, "checksum"),
    "unknown storage": ({"pixelStorage": "Spiral"}, "pixelStorage"),
}  # fmt: skip


@pytest.mark.parametrize("name", BENT)
def test_bent_attributes_end_in_one_sentence(tmp_path: Path, name: str) -> None:
    changes, sentence = BENT[name]
    tracemalloc.start()
    with pytest.raises(SourceError, match=sentence) as caught:
        read(tmp_path, image(**changes))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "hostile.xisf" in str(caught.value)
    assert peak < 32 << 20


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (b"", "signature"),
        (b"XISF0100", "signature"),
        (b"XISF0200" + bytes(60), "signature"),
        (b"XISF0100" + b"\xff\xff\xff\x7f" + bytes(60), "more than"),
        (b"XISF0100" + b"\xff\xff\x00\x00" + bytes(60), "the file has"),
        (b"XISF0100" + b"\x08\x00\x00\x00" + bytes(4) + b"<xisf>\xff\xfe", "XISF header"),
        (content("<html></html>"), "root element"),
        (content("<xisf></xisf>"), "no image"),
        (content("<xisf>" * 50 + "</xisf>" * 50), "levels"),
        (content("<xisf><Image"), "XISF header"),
    ],
)
def test_damaged_headers_end_in_one_sentence(tmp_path: Path, given: bytes, sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence):
        read(tmp_path, given)


def test_a_document_type_is_refused_before_its_entities_count(tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol"}">' for i in range(9))
    outside = '<!DOCTYPE xisf [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    for prolog in (f"<!DOCTYPE xisf [{laughs}]>", outside):
        with pytest.raises(SourceError, match="document type"):
            read(tmp_path, image(prolog=prolog))


def test_a_wrong_checksum_is_told_before_pixels_are_given(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(range(12)))
    place = {"location": f"attachment:2048:{len(packed)}", "compression": "zlib:12"}
    for name in ("sha-1", "sha-256", "sha-512", "sha3-256", "sha3-512"):
        digest = hashlib.new(name.replace("sha-", "sha").replace("sha3-", "sha3_"), packed).hexdigest()
        good = read(tmp_path, image(packed, **place, checksum=f"{name}:{digest}"))
        assert good.ravel().tolist() == list(range(12))
        wrong = digest[:-1] + ("0" if digest[-1] != "0" else "1")
        with pytest.raises(SourceError, match="the header wants"):
            read(tmp_path, image(packed, **place, checksum=f"{name}:{wrong}"))


@pytest.mark.parametrize("compression", ["none", "lz4+sh", "zstd", "zlib+sh"])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, compression: str) -> None:
    frame = Frame(width=40, height=30)
    path = tmp_path / "whole.xisf"
    writer = write_xisf(path, frame, WriteOptions(compression=compression))
    writer.write(frame.box, np.random.default_rng(1).normal(0.5, 0.1, (1, 30, 40)).astype(np.float32))
    writer.finish()
    data = path.read_bytes()
    for end in (0, 7, 8, 15, 16, 300, len(data[:4096].rstrip(b"\0")) - 1, 4095, 4096, 4097, len(data) - 1):
        with pytest.raises(SourceError):
            read(tmp_path, data[:end])
