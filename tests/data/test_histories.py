"""Random histories against a dictionary: after any publications, deletions and maintenance, every state is right."""

import copy
import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from data.errors import AlreadyPublishedError, InvalidInputError
from data.facade import Warehouse
from data.warehouse.deletion import delete
from data.warehouse.dependents import session_deletion
from data.warehouse.keyed_tables import history
from data.warehouse.maintenance import compact
from tests.data.publications import add_tables, cascades, change, counters, names, rows, values_of

NAMES = st.sampled_from("abcd")
VALUES = st.dictionaries(NAMES, st.integers(-5, 5), min_size=1)


class Histories(RuleBasedStateMachine):
    """A warehouse, and what it must say: counters and sessions after each publication."""

    sessions = Bundle("sessions")

    @initialize()
    def start(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("data.warehouse.log.CHECKPOINT_EVERY", 3)
        add_tables(self.patch.setattr)
        self.folder = tempfile.TemporaryDirectory()
        self.warehouse = Warehouse(Path(self.folder.name) / "warehouse")
        self.states: list[tuple[dict[str, int], dict[str, int]]] = [({}, {})]
        self.versions: list[tuple[str, int, int | None]] = []
        self.oldest, self.published = 1, 0

    def teardown(self) -> None:
        self.folder.cleanup()
        self.patch.undo()

    def now(self) -> tuple[dict[str, int], dict[str, int]]:
        return copy.deepcopy(self.states[-1])

    def follow(self, state: Any = None) -> None:
        """Take a state for all publications since; by default nothing has changed."""
        for _ in range(len(self.states), Warehouse(self.warehouse.url).head + 1):
            self.states.append(copy.deepcopy(state or self.states[-1]))

    @rule(upserts=VALUES, deletions=st.sets(NAMES))
    def change_counters(self, upserts: dict[str, int], deletions: set[str]) -> None:
        gone = sorted(deletions - upserts.keys())
        change(self.warehouse, counters(**upserts), names(*gone))
        values, sizes = self.now()
        number = len(self.states)
        self.versions += [(name, number, value) for name, value in upserts.items()]
        self.versions += [(name, number, None) for name in gone]
        values = {name: value for name, value in (values | upserts).items() if name not in gone}
        self.follow((values, sizes))

    @rule(target=sessions, together=st.integers(1, 3), replicates=st.integers(1, 2))
    def publish_sessions(self, together: int, replicates: int) -> str:
        self.published += 1
        ids = [f"{self.published}-{number}" for number in range(together)]
        with self.warehouse.staging("cascades") as staged:
            for session in ids:
                staged.write(cascades(session, replicates))
        self.warehouse.commit("sessions", [f"session/{session}" for session in ids], [staged.file])
        values, sizes = self.now()
        self.follow((values, sizes | dict.fromkeys(ids, replicates)))
        return ids[0]

    @rule(target=sessions, session=consumes(sessions), again=st.booleans())
    def delete_session(self, session: str, again: bool) -> str:
        values, sizes = self.now()
        if session in sizes:
            delete(self.warehouse, session_deletion(self.warehouse, session))
            del sizes[session]
            self.follow((values, sizes))
        if again:
            file = self.warehouse.stage("cascades", cascades(session, 3))
            self.warehouse.commit("sessions", [f"session/{session}"], [file])
            self.follow((values, sizes | {session: 3}))
        return session

    @rule(session=sessions)
    def publish_twice(self, session: str) -> None:
        if session in self.states[-1][1]:
            with pytest.raises(AlreadyPublishedError):
                self.warehouse.commit("sessions", [f"session/{session}"], [])

    @rule()
    def compact(self) -> None:
        compact(self.warehouse)
        self.follow()

    @rule(retention=st.sampled_from([0, 1]))
    def maintain(self, retention: int) -> None:
        report = self.warehouse.maintain(retention=dt.timedelta(days=retention), grace_seconds=-60)
        self.follow()
        self.oldest = max(self.oldest, report.oldest)
        assert report.oldest == self.oldest

    @rule()
    def reopen(self) -> None:
        self.warehouse = Warehouse(self.warehouse.url)

    @rule()
    def merge_the_log(self) -> None:
        self.warehouse.log.merge()

    @rule(back=st.integers(0, 8), fresh=st.booleans())
    def look_back(self, back: int, fresh: bool) -> None:
        number = max(len(self.states) - 1 - back, 0)
        reader = Warehouse(self.warehouse.url) if fresh else self.warehouse
        if number < self.oldest and self.oldest > 1:
            with pytest.raises(InvalidInputError, match="has expired"):
                reader.as_of(number)
        else:
            self.compare(reader.as_of(number), number)

    def compare(self, reader: Warehouse, number: int) -> None:
        values, sizes = self.states[number]
        assert values_of(reader) == values
        found = reader.read("cascades")["session_id"].to_pylist()
        assert {session: found.count(session) for session in found} == sizes
        keys = {f"session/{session}" for _, each in self.states for session in each}
        assert reader.published(keys) == {f"session/{session}" for session in sizes}
        for session in sizes:
            assert reader.read("cascades", [f"session/{session}"]).num_rows == sizes[session]

    @invariant()
    def the_last_state_is_right(self) -> None:
        assert self.warehouse.head == len(self.states) - 1
        self.compare(self.warehouse, len(self.states) - 1)

    @precondition(lambda self: len(self.states) > 3)
    @rule()
    def answer_in_sql(self) -> None:
        values, sizes = self.states[-1]
        assert dict(rows(self.warehouse, "SELECT name, value FROM counters")) == values
        assert dict(rows(self.warehouse, "SELECT session_id, count(*) FROM cascades GROUP BY ALL")) == sizes

    @rule(name=NAMES)
    def look_into_history(self, name: str) -> None:
        expected = [(number, value) for each, number, value in self.versions if each == name]
        found = history(self.warehouse, "counters", name, name).to_pylist()
        seen = [(row["publication"], row["value"]) for row in found]
        assert seen == expected[len(expected) - len(seen) :]
        readable = [each for each in expected if each[0] > self.oldest]
        assert len(seen) >= len(readable)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
