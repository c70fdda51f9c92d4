"""A table of header cases: what programs write, and what must be linked to what, or be missed."""

# ruff: noqa: E501 - a table: a case a line or two
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from lerarlink.graphs.preprocess.group import Rules
from lerarlink.graphs.preprocess.match import FrameLink, Matching, match
from lerarlink.graphs.preprocess.records import FrameRecord

MakeRecord = Callable[..., FrameRecord]


@dataclass(frozen=True)
class Case:
    """Files with their headers, and the link expected of each (file, step).

    Expected is the file linked, ``X`` and words of the miss, or ``-`` and words of why none is needed.
    """

    name: str
    files: dict[str, str]
    expected: dict[tuple[str, str], str]
    rules: Rules = field(default_factory=Rules)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


NINA = "GAIN=100 OFFSET=50 SET-TEMP=-10.0 CCD-TEMP=-10.1 XBINNING=1 YBINNING=1 INSTRUME='ZWO ASI2600MM Pro' READOUTM='Default' SWCREATE='N.I.N.A. 3.1.2.9001'"
SGP = "GAIN=139 OFFSET=21 SET-TEMP=-20 CCD-TEMP=-20.1 XBINNING=1 YBINNING=1 INSTRUME='ASICamera (1)' CREATOR='Sequence Generator Pro v4.3'"
MAXIM = "SET-TEMP=-35.000000000000000 CCD-TEMP=-34.9 XBINNING=2 YBINNING=2 INSTRUME='SBIG STL-11000' SWCREATE='MaxIm DL Version 6.20' READOUTM='High'"
SHARPCAP = "GAIN=200 BLKLEVEL=30 CCD-TEMP=-5.2 INSTRUME='ZWO ASI533MC Pro' SWCREATE='SharpCap v4.1' XBINNING=1"
ASIAIR = "GAIN=101 OFFSET=20 SET-TEMP=-10 CCD-TEMP=-10.2 XBINNING=1 INSTRUME='ZWO ASI2600MC Pro' CREATOR='ZWO ASIAIR Plus'"
SEESTAR = "GAIN=80 CCD-TEMP=25.1 INSTRUME='Seestar S50' CREATOR='ZWO Seestar S50' PROGRAM='4.27' XBINNING=1"
PIX = "GAIN=100 OFFSET=50 SET-TEMP=-10 XBINNING=1 CREATOR='PixInsight 1.8.9'"
D300, D60 = "IMAGETYP='DARK' EXPTIME=300.0", "IMAGETYP='DARK' EXPTIME=60.0"

CASES = [
    # -- NINA
    Case("nina: all agree", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 FILTER='Ha' {NINA}", "d": f"{D300} {NINA}", "f": f"IMAGETYP='FLAT' EXPTIME=2.5 FILTER='Ha' {NINA}", "df": f"IMAGETYP='DARKFLAT' EXPTIME=2.5 {NINA}"},
         {("l", "dark"): "d", ("l", "flat"): "f", ("f", "darkflat"): "df", ("l", "bias"): "- in the dark"}),
    Case("nina: dark of another exposure", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "d": f"{D60} {NINA}"},
         {("l", "dark"): "X 300 s wanted, nearest is 60 s (1 dark)"}),
    Case("nina: dark of another gain", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "d": f"{D300} {NINA}".replace("GAIN=100", "GAIN=0")},
         {("l", "dark"): "X gain 100 wanted, nearest is gain 0"}),
    Case("nina: dark of another offset", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "d": f"{D300} {NINA}".replace("OFFSET=50", "OFFSET=10")},
         {("l", "dark"): "X offset 50 wanted, nearest is offset 10"}),
    Case("nina: dark of another offset, ignored", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "d": f"{D300} {NINA}".replace("OFFSET=50", "OFFSET=10")},
         {("l", "dark"): "d"}, Rules(ignore=frozenset({"offset"}))),
    Case("nina: dark of another read mode", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "d": f"{D300} {NINA}".replace("Default", "High Gain Mode")},
         {("l", "dark"): "X read mode Default wanted, nearest is read mode High Gain Mode"}),
    Case("nina: dark of another set temperature", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "d": f"{D300} {NINA}".replace("SET-TEMP=-10.0", "SET-TEMP=-20.0")},
         {("l", "dark"): "X -10.0 C wanted, nearest is -20.0 C"}),
    Case("nina: two degrees are within the tolerance", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "d": f"{D300} {NINA}".replace("SET-TEMP=-10.0", "SET-TEMP=-12.0")},
         {("l", "dark"): "d"}),
    Case("nina: of two darks the nearer in temperature", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "d-12": f"{D300} {NINA}".replace("SET-TEMP=-10.0", "SET-TEMP=-12.0"), "d-7": f"{D300} {NINA}".replace("SET-TEMP=-10.0", "SET-TEMP=-7.0"), "d-9": f"{D300} {NINA}".replace("SET-TEMP=-10.0", "SET-TEMP=-9.5 CCD-TEMP=-9.5").replace("-9.5 CCD-TEMP=-10.1", "-9.5")},
         {("l", "dark"): "d-9"}, Rules(temperature=1.0)),
    Case("nina: dark of another binning", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "d": f"{D300} {NINA}".replace("BINNING=1", "BINNING=2")},
         {("l", "dark"): "X bin 1x1 wanted, nearest is bin 2x2"}),
    Case("nina: dark of another camera", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "d": f"{D300} {NINA}".replace("ASI2600MM", "ASI294MM")},
         {("l", "dark"): "X camera ZWO ASI2600MM Pro wanted, nearest is camera ZWO ASI294MM Pro"}),
    Case("nina: flats of each filter", {"lR": f"IMAGETYP='LIGHT' EXPTIME=60.0 FILTER='R' {NINA}", "lB": f"IMAGETYP='LIGHT' EXPTIME=60.0 FILTER='B' {NINA}", "fB": f"IMAGETYP='FLAT' EXPTIME=1.0 FILTER='B' {NINA}", "fR": f"IMAGETYP='FLAT' EXPTIME=1.0 FILTER='R' {NINA}"},
         {("lR", "flat"): "fR", ("lB", "flat"): "fB"}),
    Case("nina: a flat of another filter is none", {"l": f"IMAGETYP='LIGHT' EXPTIME=60.0 FILTER='OIII' {NINA}", "f": f"IMAGETYP='FLAT' EXPTIME=1.0 FILTER='SII' {NINA}"},
         {("l", "flat"): "X filter OIII wanted, nearest is filter SII"}),
    Case("nina: a flat of another gain serves", {"l": f"IMAGETYP='LIGHT' EXPTIME=60.0 FILTER='R' {NINA}", "f": f"IMAGETYP='FLAT' EXPTIME=1.0 FILTER='R' {NINA}".replace("GAIN=100", "GAIN=0")},
         {("l", "flat"): "f"}),
    Case("nina: the flat of the same night", {"l": f"IMAGETYP='LIGHT' EXPTIME=60.0 FILTER='R' DATE-OBS='2024-03-02T01:10:00' {NINA}", "f1": f"IMAGETYP='FLAT' EXPTIME=1.0 FILTER='R' DATE-OBS='2024-02-20T18:00:00' {NINA}", "f2": f"IMAGETYP='FLAT' EXPTIME=1.0 FILTER='R' DATE-OBS='2024-03-02T06:00:00' {NINA}"},
         {("l", "flat"): "f2"}),
    Case("nina: else the flat of the nearest night", {"l": f"IMAGETYP='LIGHT' EXPTIME=60.0 FILTER='R' DATE-OBS='2024-03-02T01:10:00' {NINA}", "f1": f"IMAGETYP='FLAT' EXPTIME=1.0 FILTER='R' DATE-OBS='2024-02-20T18:00:00' {NINA}", "f2": f"IMAGETYP='FLAT' EXPTIME=1.0 FILTER='R' DATE-OBS='2024-03-05T06:00:00' {NINA}"},
         {("l", "flat"): "f2"}),
    Case("nina: dark flat of 2.5 s wanted, 5 s there", {"f": f"IMAGETYP='FLAT' EXPTIME=2.5 FILTER='R' {NINA}", "df": f"IMAGETYP='DARKFLAT' EXPTIME=5.0 {NINA}"},
         {("f", "darkflat"): "X dark flat of 2.5 s wanted, nearest is 5 s (1 dark flat)"}),
    Case("nina: a bias serves flats without dark flats", {"f": f"IMAGETYP='FLAT' EXPTIME=2.5 FILTER='R' {NINA}", "b": f"IMAGETYP='BIAS' EXPTIME=0.0 {NINA}"},
         {("f", "bias"): "b", ("f", "darkflat"): "- the bias serves"}),
    Case("nina: dark flats go before biases", {"f": f"IMAGETYP='FLAT' EXPTIME=2.5 FILTER='R' {NINA}", "b": f"IMAGETYP='BIAS' EXPTIME=0.0 {NINA}", "df": f"IMAGETYP='DARKFLAT' EXPTIME=2.7 {NINA}"},
         {("f", "darkflat"): "df", ("f", "bias"): "- in the dark flat"}),
    Case("nina: a cooler that failed is told by its set temperature", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}".replace("CCD-TEMP=-10.1", "CCD-TEMP=4.0"), "d": f"{D300} {NINA}"},
         {("l", "dark"): "d"}),
    # -- Sequence Generator Pro
    Case("sgp: EXPOSURE only, Dark without capitals", {"l": f"IMAGETYP='LIGHT' EXPOSURE=600.0 FILTER='Lum' {SGP}", "d": f"IMAGETYP='Dark' EXPOSURE=600 {SGP}", "f": f"IMAGETYP='Flat' EXPOSURE=3.0 FILTER='L' {SGP}"},
         {("l", "dark"): "d", ("l", "flat"): "f"}),
    Case("sgp: TEMPERAT of old versions", {"l": "IMAGETYP='LIGHT' EXPOSURE=600.0 TEMPERAT=-20 GAIN=139 CREATOR='Sequence Generator Pro'", "d": "IMAGETYP='DARK' EXPOSURE=600.0 TEMPERAT=-14 GAIN=139 CREATOR='Sequence Generator Pro'"},
         {("l", "dark"): "X -20.0 C wanted, nearest is -14.0 C"}),
    Case("sgp: FLAT DARK is a dark flat", {"f": f"IMAGETYP='FLAT' EXPOSURE=3.0 FILTER='L' {SGP}", "df": f"IMAGETYP='FLAT DARK' EXPOSURE=3.0 {SGP}"},
         {("f", "darkflat"): "df"}),
    # -- MaxIm DL
    Case("maxim: frames called by their full names", {"l": f"IMAGETYP='Light Frame' EXPTIME=900.0 FILTER='Red' {MAXIM}", "d": f"IMAGETYP='Dark Frame' EXPTIME=900.0 {MAXIM}", "f": f"IMAGETYP='Flat Field' EXPTIME=4.0 FILTER='R' {MAXIM}", "b": f"IMAGETYP='Bias Frame' EXPTIME=0.0 {MAXIM}"},
         {("l", "dark"): "d", ("l", "flat"): "f", ("f", "bias"): "b"}),
    Case("maxim: a scaled dark, where it is wanted and there is a bias", {"l": f"IMAGETYP='Light Frame' EXPTIME=900.0 {MAXIM}", "d": f"IMAGETYP='Dark Frame' EXPTIME=600.0 {MAXIM}", "b": f"IMAGETYP='Bias Frame' EXPTIME=0.0 {MAXIM}"},
         {("l", "dark"): "d", ("l", "bias"): "b"}, Rules(optimize_darks=True)),
    Case("maxim: without a bias no dark is scaled", {"l": f"IMAGETYP='Light Frame' EXPTIME=900.0 {MAXIM}", "d": f"IMAGETYP='Dark Frame' EXPTIME=600.0 {MAXIM}"},
         {("l", "dark"): "X 900 s wanted, nearest is 600 s"}, Rules(optimize_darks=True)),
    Case("maxim: nor one of another temperature", {"l": f"IMAGETYP='Light Frame' EXPTIME=900.0 {MAXIM}", "d": f"IMAGETYP='Dark Frame' EXPTIME=600.0 {MAXIM}".replace("-35.000000000000000", "-20.0"), "b": f"IMAGETYP='Bias Frame' EXPTIME=0.0 {MAXIM}"},
         {("l", "dark"): "X 900 s"}, Rules(optimize_darks=True)),
    Case("maxim: a dark paired by exposure is a dark flat", {"f": f"IMAGETYP='Flat Field' EXPTIME=4.0 FILTER='R' {MAXIM}", "d4": f"IMAGETYP='Dark Frame' EXPTIME=4.0 {MAXIM}", "d900": f"IMAGETYP='Dark Frame' EXPTIME=900.0 {MAXIM}"},
         {("f", "darkflat"): "d4"}),
    Case("maxim: text numbers", {"l": "IMAGETYP='Light Frame' EXPTIME='120.00' CCD-TEMP='-48' XBINNING='1' YBINNING='1'", "d": "IMAGETYP='Dark Frame' EXPTIME=120.0 CCD-TEMP=-48.3 XBINNING=1 YBINNING=1"},
         {("l", "dark"): "d"}),
    # -- SharpCap: no frame type, names tell
    Case("sharpcap: folders tell the type", {"lights/0001": f"EXPTIME=30.0 {SHARPCAP}", "darks/0001": f"EXPTIME=30.0 {SHARPCAP}", "flats/0001": f"EXPTIME=0.05 {SHARPCAP}", "darkflats/0001": f"EXPTIME=0.05 {SHARPCAP}"},
         {("lights/0001", "dark"): "darks/0001", ("lights/0001", "flat"): "flats/0001", ("flats/0001", "darkflat"): "darkflats/0001"}),
    Case("sharpcap: black level is the offset", {"lights/1": f"EXPTIME=30.0 {SHARPCAP}", "darks/1": f"EXPTIME=30.0 {SHARPCAP}".replace("BLKLEVEL=30", "BLKLEVEL=10")},
         {("lights/1", "dark"): "X offset 30 wanted, nearest is offset 10"}),
    Case("sharpcap: no type, no word in the path: a light", {"capture/0001": f"EXPTIME=30.0 {SHARPCAP}", "Dark_30s": f"EXPTIME=30.0 {SHARPCAP}"},
         {("capture/0001", "dark"): "Dark_30s"}),
    # -- ASIAIR
    Case("asiair: names tell all", {"Light_M51_300.0s_Bin1_gain101_-10.0C_0001": "", "Dark_300.0s_Bin1_gain101_-10.0C_0001": "", "Dark_60.0s_Bin1_gain101_-10.0C_0001": ""},
         {("Light_M51_300.0s_Bin1_gain101_-10.0C_0001", "dark"): "Dark_300.0s_Bin1_gain101_-10.0C_0001"}),
    Case("asiair: a master by name, milliseconds", {"Flat_60.0ms_Bin1": f"IMAGETYP='Flat' EXPTIME=0.06 {ASIAIR}", "MasterDarkFlat_Stack20_60.0ms": f"EXPTIME=0.06 {ASIAIR}"},
         {("Flat_60.0ms_Bin1", "darkflat"): "MasterDarkFlat_Stack20_60.0ms"}),
    Case("asiair: gain of a name against that of a header", {"Light_1": f"IMAGETYP='Light' EXPTIME=300.0 {ASIAIR}", "Dark_300.0s_Bin1_gain0_-10.0C": ""},
         {("Light_1", "dark"): "X gain 101 wanted, nearest is gain 0"}),
    # -- Seestar
    Case("seestar: uncooled, darks of the day before are too warm", {"l": f"IMAGETYP='Light' EXPTIME=10.0 FILTER='IRCUT' {SEESTAR}", "d": f"IMAGETYP='Dark' EXPTIME=10.0 {SEESTAR}".replace("25.1", "31.0")},
         {("l", "dark"): "X 25.1 C wanted, nearest is 31.0 C"}),
    Case("seestar: unless the tolerance allows", {"l": f"IMAGETYP='Light' EXPTIME=10.0 FILTER='IRCUT' {SEESTAR}", "d": f"IMAGETYP='Dark' EXPTIME=10.0 {SEESTAR}".replace("25.1", "31.0")},
         {("l", "dark"): "d"}, Rules(temperature=6.0)),
    # -- Siril masters
    Case("siril: a stacked master dark", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "dark_stacked": "IMAGETYP='DARK' EXPTIME=300.0 STACKCNT=20 GAIN=100 OFFSET=50 CCD-TEMP=-10.0 PROGRAM='Siril 1.4.0'"},
         {("l", "dark"): "dark_stacked"}),
    Case("siril: a master goes before raw darks alike", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "d": f"{D300} {NINA}", "master_dark_300": f"{D300} STACKCNT=20 {NINA}"},
         {("l", "dark"): "master_dark_300"}),
    # -- PixInsight
    Case("pixinsight: master types and exposures as text", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 FILTER='H-alpha' {NINA}", "md": f"IMAGETYP='Master Dark' EXPTIME='300.00' {PIX}", "mf": f"IMAGETYP='Master Flat' FILTER='Ha' {PIX}"},
         {("l", "dark"): "md", ("l", "flat"): "mf"}),
    Case("pixinsight: a master flat is calibrated already", {"mf": f"IMAGETYP='MasterFlat' FILTER='Ha' EXPTIME=2.0 {PIX}", "b": f"IMAGETYP='Master Bias' {PIX}"}, {}),
    Case("pixinsight: a master without words fits what it does not contradict", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "md": "IMAGETYP='Master Dark' EXPTIME=300.0"},
         {("l", "dark"): "md"}),
    Case("pixinsight: but one that tells its words goes first", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "a": "IMAGETYP='Master Dark' EXPTIME=300.0", "z": f"IMAGETYP='Master Dark' EXPTIME=300.0 {PIX}"},
         {("l", "dark"): "z"}),
    # -- other programs, other sizes, the user's words
    Case("digital camera: ISO is the gain", {"l": "IMAGETYP='Light' EXPTIME=120.0 ISOSPEED=800", "d": "IMAGETYP='Dark' EXPTIME=120.0 ISOSPEED=1600"},
         {("l", "dark"): "X gain 800 wanted, nearest is gain 1600"}),
    Case("app: CALFRAME and EXP", {"l": "CALFRAME='light' EXP=180.0 GAIN=120.0 SOFTWARE='Astro Pixel Processor'", "d": "CALFRAME='dark' EXP=180.0 GAIN=120.0 SOFTWARE='Astro Pixel Processor'"},
         {("l", "dark"): "d"}),
    Case("indi: FRAME instead of IMAGETYP", {"l": "FRAME='Light' EXPTIME=60.0 GAIN=100 CREATOR='KStars 3.6'", "d": "FRAME='Dark' EXPTIME=60.0 GAIN=100 CREATOR='KStars 3.6'"},
         {("l", "dark"): "d"}),
    Case("another size is another camera mode", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "d": f"{D300} {NINA}"},
         {("l", "dark"): "X 80x60 wanted, nearest is 40x30"}, options={"d": {"size": (40, 30)}}),
    Case("the user's keyword keeps sessions apart", {"SESSION_a/light": f"IMAGETYP='LIGHT' EXPTIME=60.0 FILTER='R' {NINA}", "SESSION_b/flat": f"IMAGETYP='FLAT' EXPTIME=1.0 FILTER='R' {NINA}"},
         {("SESSION_a/light", "flat"): "X SESSION a wanted, nearest is SESSION b"}, Rules(keywords=("SESSION",))),
    Case("frames without the user's keyword serve all", {"SESSION_a/light": f"IMAGETYP='LIGHT' EXPTIME=60.0 FILTER='R' {NINA}", "flat": f"IMAGETYP='FLAT' EXPTIME=1.0 FILTER='R' {NINA}"},
         {("SESSION_a/light", "flat"): "flat"}, Rules(keywords=("SESSION",))),
    Case("no flats at all", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 FILTER='R' {NINA}"},
         {("l", "flat"): "X flat of filter R, 80x60 wanted, there is none", ("l", "dark"): "X there is none", ("l", "bias"): "- a dark is wanted"}),
    Case("done without, as told", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 FILTER='R' {NINA}"},
         {("l", "flat"): "- as told", ("l", "dark"): "- as told", ("l", "bias"): "- as told"}, Rules(without=frozenset({"flat", "dark", "bias"}))),
    Case("a bias where there is no dark", {"l": f"IMAGETYP='LIGHT' EXPTIME=300.0 {NINA}", "b": f"IMAGETYP='BIAS' EXPTIME=0.0 {NINA}"},
         {("l", "bias"): "b", ("l", "dark"): "X dark of 300 s"}),
]  # fmt: skip


def matched(case: Case, make_record: MakeRecord, *, backwards: bool = False) -> Matching:
    records = [
        make_record(f"{path}.fits", header, keywords=case.rules.keywords, **case.options.get(path, {}))
        for path, header in case.files.items()
    ]
    return match(records[::-1] if backwards else records, case.rules)


def link_of(matching: Matching, path: str, role: str) -> FrameLink:
    group = next(g for g in matching.groups if f"{path}.fits" in [r.path for r in g.records])
    return next(link for link in matching.links if link.target is group and link.role == role)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_frames_are_linked_as_the_table_says(case: Case, make_record: MakeRecord) -> None:
    matching = matched(case, make_record)
    for (path, role), expected in case.expected.items():
        link = link_of(matching, path, role)
        sign, _, words = expected.partition(" ")
        if sign == "X":
            assert link.status == "unresolved", link
            assert words in link.miss
            assert str(link).startswith("Process Error: Lerar Link unresolved: ") and "cure: " in str(link)
        elif sign == "-":
            assert link.status in ("unneeded", "waived") and words in link.reason, link
        else:
            assert link.status == "linked" and link.source is not None, link
            assert [r.path for r in link.source.records] == [f"{expected}.fits"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_order_of_files_does_not_matter(case: Case, make_record: MakeRecord) -> None:
    forwards, backwards = matched(case, make_record), matched(case, make_record, backwards=True)
    assert [str(link) for link in forwards.links] == [str(link) for link in backwards.links]


def test_the_table_has_at_least_forty_cases_of_all_programs() -> None:
    assert len(CASES) >= 40 and len({c.name for c in CASES}) == len(CASES)
    for program in ("nina", "sgp", "maxim", "sharpcap", "asiair", "seestar", "siril", "pixinsight"):
        assert any(c.name.startswith(f"{program}:") for c in CASES)


def test_master_flats_want_nothing(make_record: MakeRecord) -> None:
    case = next(c for c in CASES if c.name == "pixinsight: a master flat is calibrated already")
    assert matched(case, make_record).links == ()
