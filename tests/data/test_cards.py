"""How objects show themselves in notebooks, and the tables that a warehouse lists."""

from pathlib import Path

import pandas as pd
import pytest

from data import Warehouse
from data.cards import card


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    warehouse = Warehouse(tmp_path / "a & b")
    for name, rows in {"friends": 3, "trust": 2}.items():
        sources = [f"a{number}" for number in range(rows)]
        warehouse.import_network(name, pd.DataFrame({"source": sources, "target": ["hub"] * rows}))
    return warehouse


def test_a_card_escapes_what_it_shows() -> None:
    shown = card("<b>", {"a & b": "<script>"}, ['sql("x")'])
    assert "<script>" not in shown
    assert "a &amp; b" in shown
    assert "sql(&quot;x&quot;)" in shown


def test_networks_are_listed_in_their_current_snapshot(warehouse: Warehouse) -> None:
    warehouse.import_network("friends", pd.DataFrame({"source": ["x"], "target": ["y"]}))
    listed = warehouse.networks().set_index("network_id")
    assert listed.index.tolist() == ["friends", "trust"]
    assert listed.loc["friends", ["agents", "edges", "snapshots"]].tolist() == [2, 1, 2]
    assert listed.loc["trust", ["agents", "edges", "snapshots"]].tolist() == [3, 2, 1]
    assert listed.loc["friends", "snapshot_id"] == warehouse.network("friends").snapshot_id


def test_a_new_warehouse_lists_nothing(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    for listed in (warehouse.networks(), warehouse.sessions(), warehouse.campaigns()):
        assert len(listed) == 0
        assert len(listed.columns) > 3
    assert "networks" in warehouse._repr_html_()


def test_sql_answers_in_data_frames(warehouse: Warehouse) -> None:
    answer = warehouse.sql("SELECT network_id, edges FROM networks ORDER BY edges")
    assert answer.to_dict("list") == {"network_id": ["trust", "friends"], "edges": [2, 3]}


def test_warehouse_and_network_show_cards(warehouse: Warehouse) -> None:
    shown = warehouse._repr_html_()
    assert "a &amp; b" in shown
    assert "warehouse.sessions()" in shown
    shown = warehouse.network("friends")._repr_html_()
    for text in ("Network friends", "agents", "4", "3, directed", "network.edges"):
        assert text in shown
