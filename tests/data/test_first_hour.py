"""What somebody meets in the first hour with a warehouse: odd columns, odd folders, caches that are elsewhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import InvalidInputError
from data.facade import Warehouse
from data.networks.network import Network
from data.warehouse import states
from propagation import simulate
from propagation.models import IndependentCascade
from tests.data.publications import cascades, rows

ENDS = {"s": ["a", "b"], "t": ["b", "c"]}


@pytest.fixture
def two_times(local: Warehouse) -> Warehouse:
    """Networks with a column `time`: integers in one, dates in the other, and none in a third."""
    local.import_network("calls", pd.DataFrame({**ENDS, "time": [1, 2]}))
    local.import_network("mails", pd.DataFrame({**ENDS, "time": pd.to_datetime(["2024-01-01", "2024-01-02"])}))
    local.import_network("walks", pd.DataFrame(ENDS))
    return local


def test_networks_may_hold_different_things_in_columns_of_one_name(two_times: Warehouse):
    sql = "SELECT time FROM network_edges JOIN networks USING (snapshot_id) WHERE network_id = '{}' ORDER BY time"
    assert rows(two_times, sql.format("calls")) == [("1",), ("2",)]
    assert rows(two_times, sql.format("mails")) == [("2024-01-01 00:00:00",), ("2024-01-02 00:00:00",)]
    assert rows(two_times, sql.format("walks")) == [(None,), (None,)]
    assert rows(two_times, "SELECT sum(time::INTEGER) FROM network_edges WHERE time NOT LIKE '%-%'") == [(3,)]
    assert rows(two_times, "SELECT count(*) FROM network_edges") == [(6,)]
    calls, mails = (two_times.network(name).key for name in ("calls", "mails"))
    assert sorted(two_times.read("network_edges", [calls])["time"].to_pylist()) == [1, 2]
    assert min(two_times.read("network_edges", [mails])["time"].to_pylist()) == pd.Timestamp("2024-01-01")
    assert two_times.scan("network_edges", [calls])["time"].sum().compute() == 3
    everything = two_times.read("network_edges")
    assert sorted(everything["time"].to_pylist()[:2]) == ["1", "2"]
    assert everything["time"].to_pylist()[4:] == [None, None]
    assert len(two_times.scan("network_edges").compute()) == 6
    assert two_times.verify() == []


@pytest.mark.parametrize("folder", ["replicate=7", "size=100", "year=2024", "session_id=x"])
def test_folders_that_look_like_columns_are_folders(tmp_path: Path, folder: str):
    warehouse = Warehouse(tmp_path / folder / "runs")
    warehouse.commit("sessions", ["session/a"], [warehouse.stage("cascades", cascades("a", 2))])
    expected = [("a", 0, 1), ("a", 1, 2)]
    assert rows(warehouse, "SELECT session_id, replicate, size FROM cascades ORDER BY replicate") == expected
    names = [name for name, *_ in rows(warehouse, "DESCRIBE cascades")]
    assert names == warehouse.read("cascades").column_names


def test_a_url_of_a_file_is_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RUMORMILL_CACHE", raising=False)
    monkeypatch.chdir(tmp_path)
    warehouse = Warehouse(f"file://{tmp_path}/place")
    assert warehouse == Warehouse(tmp_path / "place")
    assert warehouse.cache_folder == tmp_path / "place" / "cache"
    warehouse.import_network("n", pd.DataFrame(ENDS))
    assert Warehouse(tmp_path / "place").network("n").n_agents == 3
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_the_home_folder_in_the_place_of_the_cache_is_expanded(
    local: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RUMORMILL_CACHE", "~/c")
    assert local.cache_folder == tmp_path / "home" / "c"


@pytest.mark.parametrize("given", ["", " ", "file://"])
def test_an_empty_place_is_refused(given: str):
    with pytest.raises(InvalidInputError, match=r"the warehouse is '' \(an unset variable\?\).* RUMORMILL_WAREHOUSE"):
        Warehouse(given)


@pytest.fixture
def read_only(local: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Network:
    """A network of a warehouse on a mount that cannot be written."""
    monkeypatch.delenv("RUMORMILL_CACHE", raising=False)
    monkeypatch.setattr(states.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "user" / name))
    network = local.import_network("n", pd.DataFrame(ENDS))
    original: Callable[..., bool] = states.os.access

    def refused(path: Any, mode: int) -> bool:
        return not str(path).startswith(local.url) and original(path, mode)

    monkeypatch.setattr(states.os, "access", refused)
    return Network.from_row(Warehouse(local.url), network.row)


def test_arrays_of_a_warehouse_that_cannot_be_written_lie_elsewhere(read_only: Network, tmp_path: Path):
    assert read_only.warehouse.cache_folder == tmp_path / "user" / "rumormill"
    model = IndependentCascade(probability=1.0)
    result = simulate(read_only, model, seed_set=["a"], replicates=3, publish=False)
    assert result.cascades["size"].tolist() == [3, 3, 3]
    assert rows(read_only.warehouse, "SELECT count(*) FROM network_edges") == [(2,)]
    assert not (Path(read_only.warehouse.url) / "cache").exists()
