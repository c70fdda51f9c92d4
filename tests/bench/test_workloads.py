"""Every workload does its work at small size, and all entrants that are installed come to the same."""

from __future__ import annotations

import pytest

from lerarlink.tools.bench.contest import Contest
from lerarlink.tools.bench.workload import OURS
from lerarlink.tools.bench.workloads import NAMES, workload

# They process a whole night, in processes of their own.
NIGHTS = ("filter", "night", "late")


@pytest.fixture(scope="session")
def contest(tmp_path_factory: pytest.TempPathFactory) -> Contest:
    return Contest(tmp_path_factory.mktemp("bench"), size="small", rounds=1)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in NIGHTS])
def test_all_entrants_agree(contest: Contest, name: str) -> None:
    chosen = workload(name)
    found, failed = contest.rehearse(chosen)
    assert OURS in found
    assert not {why for why in failed.values() if "No module" not in why and "siril" not in why}
    assert not {n: why for n, why in chosen.agree(found, chosen.sizes["small"]).items() if why}


@pytest.mark.slow
@pytest.mark.parametrize("name", NIGHTS)
def test_nights_are_processed(contest: Contest, name: str) -> None:
    document = contest.run(workload(name))
    assert not [n for n in document["skipped"] if n != "Siril"]
    assert all(f["value"] is not None for f in document["figures"] if "Siril" not in f["what"])
