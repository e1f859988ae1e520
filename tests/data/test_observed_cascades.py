"""Observed cascades from rows: what is left out, how agents are numbered, and parts of a set."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data.cascades.cleaning import observed_cascades
from data.errors import InvalidInputError

ROWS = pd.DataFrame(
    {
        "cascade": ["x", "x", "x", "y", "y", "y", None],
        "agent": ["a", "b", "b", "c", "a", "d", "e"],
        "time": [5, 6, 7, 1, 3, "soon", 2],
        "infector": [None, "a", "a", None, "c", "c", None],
    }
)


def test_rows_become_cascades_sorted_by_time_and_say_what_was_left_out() -> None:
    clean = observed_cascades("talk", ROWS)
    found = clean.cascades
    assert found.cascade_ids.to_pylist() == ["x", "y"]
    assert found.sizes.tolist() == [2, 2]
    assert found.times.tolist() == [0, 1, 0, 2]
    assert found.agent_ids.take(found.agents).to_pylist() == ["a", "b", "c", "a"]
    assert found.infectors.tolist() == [-1, 0, -1, found.agents[2]]
    assert clean.rejects["row"].tolist() == [2, 5, 6]
    assert clean.rejects["reason"].tolist() == [
        "the agent was activated before in this cascade",
        "the time is not a number",
        "no cascade",
    ]


def test_parts_of_a_set_keep_its_numbers() -> None:
    found = observed_cascades("talk", ROWS).cascades
    second = found.select([1])
    assert second.agents.tolist() == found.agents[2:].tolist()
    assert found.until(1).sizes.tolist() == [2, 1]
    for time in (-1, float("nan"), "soon"):
        with pytest.raises(InvalidInputError, match="begins at time 0"):
            found.until(time)
    for positions, message in {
        (99,): "no cascade at position 99; positions are 0 to 1",
        (-1,): "no cascade at position -1",
        (True, False): "not a list of whole numbers",
    }.items():
        with pytest.raises(InvalidInputError, match=message):
            found.select(positions)
    assert len(found.select([])) == 0


def test_the_id_of_a_set_depends_on_its_name_and_content_alone() -> None:
    again = observed_cascades("talk", ROWS.iloc[:5])
    assert again.cascades.cascade_set_id == observed_cascades("talk", ROWS).cascades.cascade_set_id
    assert observed_cascades("chat", ROWS).cascades.cascade_set_id != again.cascades.cascade_set_id
    later = ROWS.iloc[:5].assign(time=np.arange(5))
    assert observed_cascades("talk", later).cascades.cascade_set_id != again.cascades.cascade_set_id


def test_ids_of_several_types_are_those_of_columns_of_their_own() -> None:
    rows = pd.DataFrame({"cascade": 1, "agent": [1, "2", 3.0, "3.0"], "time": [0, 1, 2, 3]})
    found = observed_cascades("talk", rows).cascades
    assert found.agent_ids.take(found.agents).to_pylist() == ["1", "2", "3", "3.0"]
    floats = observed_cascades("talk", rows.assign(agent=[1.0, 2.0, 3.0, None])).cascades
    assert floats.agent_ids.take(floats.agents).to_pylist() == ["1", "2", "3"]


def test_rows_without_a_needed_column_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="missing: time"):
        observed_cascades("talk", ROWS.drop(columns="time"))


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([None, "a", "b"]), st.sampled_from([None, 0, 1, 2])), min_size=1
    )
)
def test_lost_cascades_and_starts_are_those_of_the_plain_definition(rows: list[tuple]) -> None:
    own = {cascade: [row for row in rows if row[0] == cascade] for cascade in sorted({row[0] for row in rows})}
    left = [c for c, given_rows in own.items() if any(None not in row for row in given_rows)]
    first = {c: min((row for row in own[c] if row[2] is not None), key=lambda row: row[2]) for c in left}
    frame = pd.DataFrame(rows, columns=["cascade", "agent", "time"])
    assume(left)
    found = observed_cascades("talk", frame)
    assert found.lost_cascades == len(own) - len(left)
    assert found.lost_starts == sum(first[c][1] is None for c in left)
