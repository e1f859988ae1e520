"""References to sessions and campaigns, whose names may contain colons."""

from pathlib import Path

import pytest

from data.errors import InvalidInputError
from data.facade import Warehouse
from propagation import simulate_many
from propagation.models import IndependentCascade
from propagation.session_references import find_session


def test_names_with_colons_are_found(tmp_path: Path) -> None:
    network = Warehouse(tmp_path / "warehouse").generate_network("town", "complete", agents=4)
    fields = {"model": IndependentCascade(probability=0.5), "replicates": 2}
    found = {}
    for number, (campaign, session) in enumerate([("a", "b:c"), ("a:b", "x"), ("a:b", "d:e")]):
        sessions = {session: {"seed_set": [str(number)]}, "other": {"seed_set": ["3"]}}
        found[f"{campaign}:{session}"] = simulate_many(network, sessions, campaign=campaign, **fields)[session]
        assert (
            find_session(network.warehouse, f"{campaign}:{session}").session_id
            == found[f"{campaign}:{session}"].session_id
        )
    assert find_session(network.warehouse, "a: b:c").session_id == found["a:b:c"].session_id
    with pytest.raises(InvalidInputError, match=r"campaign 'a:b' has no session 'y'; sessions are 'd:e', 'other'"):
        find_session(network.warehouse, "a:b:y")
