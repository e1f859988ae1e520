"""Transmissions of a session: its recorded activations, some whole replicates at a time, whatever their number.

The rows of a replicate form a forest: each activation hangs below the activation of its infector, and seeds are roots.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InvalidInputError
from data.warehouse.keys import session_key
from data.warehouse.manifests import DataFile
from propagation.kernels.transmission_trees import find_parents
from propagation.result import Result
from propagation.sessions import RECORDS

ROWS_AT_ONCE = 1 << 24
"""Activations that are held in memory at a time, unless one replicate has more."""
_COLUMNS = ("session_id", "replicate", "agent", "round", "infector", "occasion")


@dataclass(frozen=True)
class Transmissions:
    """Activations of some whole replicates, ordered by replicate, then round.

    Attributes
    ----------
    first_replicate : int
        Number of the first of these replicates.
    starts : (replicates + 1,) int64
        First row of each replicate, and the number of rows.
    agents, rounds, occasions : (k,) int32
        The activated agent's dense id, the round, and 1 for an agent's first activation in its replicate.
    infectors : (k,) int32
        Dense id of the agent that activated it; -1 for seeds.
    """

    first_replicate: int
    starts: npt.NDArray[np.int64]
    agents: npt.NDArray[np.int32]
    rounds: npt.NDArray[np.int32]
    infectors: npt.NDArray[np.int32]
    occasions: npt.NDArray[np.int32]

    @property
    def is_first(self) -> npt.NDArray[np.bool_]:
        """Whether each row is its agent's first activation in its replicate, (k,) bool."""
        return self.occasions == 1

    @property
    def lanes(self) -> npt.NDArray[np.int64]:
        """Position of each row's replicate, from 0, (k,) int64."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def reached(self, lane: int) -> npt.NDArray[np.int32]:
        """Return the distinct agents that one of the replicates reached, by its position from 0."""
        rows = slice(self.starts[lane], self.starts[lane + 1])
        return self.agents[rows][self.occasions[rows] == 1]

    def parents(self, n_ids: int) -> npt.NDArray[np.int64]:
        """Return the row of each activation's infector: its latest activation before; -1 for seeds, (k,) int64."""
        return find_parents(self.starts, self.agents, self.infectors, np.int64(n_ids))


class RecordedActivations:
    """The activations that a session recorded, read replicate by replicate.

    A session that is published is read from its files, of which memory holds `ROWS_AT_ONCE` rows at a time.

    Parameters
    ----------
    result : Result
        Its session must have recorded activations or contacts.
    message_id : str, optional
        One of its competing messages, of which only the activations are read; default: that of the result, if it is
        of one message (`propagation.competing_messages`), else all.

    Raises
    ------
    InvalidInputError
        If the session recorded less.
    """

    def __init__(self, result: Result, message_id: str | None = None) -> None:
        check_activations(result)
        self.result = result
        self._message_id: str | None = getattr(result, "message_id", None) if message_id is None else message_id
        self.first = int(result.session.get("first_replicate") or 0)
        self.replicates = int(result.session["replicates"])
        self._warehouse, self._keys = result.network.warehouse, [session_key(result.session_id)]
        self._files: list[tuple[DataFile, int, int]] = []
        self._rows: pa.Table | None = None
        counts = np.zeros(self.replicates, np.int64)
        if self._warehouse.published(self._keys):
            for file in self._warehouse.files("activations", self._keys):
                replicate = self._read(file, ["replicate"])["replicate"].to_numpy()
                if len(replicate):
                    self._files.append((file, int(replicate.min()), int(replicate.max())))
                    counts += np.bincount(replicate - self.first, minlength=self.replicates)
        else:
            self._rows = self._chosen(result.table("activations")).sort_by("replicate")
            counts += np.bincount(self._rows["replicate"].to_numpy() - self.first, minlength=self.replicates)
        self.counts = counts
        """Activations of each replicate, (replicates,) int64."""

    def __iter__(self) -> Iterator[Transmissions]:
        """Yield all replicates, some at a time."""
        yield from (self.between(first, last) for first, last in self.ranges())

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of replicates, the last excluded, that have about `ROWS_AT_ONCE` rows together."""
        ends = np.cumsum(self.counts)
        first, done = 0, 0
        while first < self.replicates:
            last = max(first + 1, int(np.searchsorted(ends, done + ROWS_AT_ONCE, side="right")))
            yield self.first + first, self.first + last
            first, done = last, int(ends[last - 1])

    def between(self, first: int, last: int) -> Transmissions:
        """Return the activations of replicates `first` to `last` - 1."""
        if self._rows is not None:
            starts = np.searchsorted(self._rows["replicate"].to_numpy(), [first, last])
            rows = self._rows.slice(starts[0], starts[1] - starts[0])
        else:
            parts = [self._read(file, _COLUMNS[1:]) for file, low, high in self._files if low < last and high >= first]
            rows = pa.concat_tables([part.select(_COLUMNS[1:]) for part in parts]) if parts else _nothing()
        replicate = rows["replicate"].to_numpy()
        chosen = (replicate >= first) & (replicate < last)
        columns = {name: rows[name].to_numpy() for name in ("agent", "round", "occasion")}
        columns |= {"infector": rows["infector"].fill_null(-1).to_numpy(), "lane": replicate - first}
        if not chosen.all():
            columns = {name: values[chosen] for name, values in columns.items()}
        key = columns["lane"].astype(np.int64) << 32 | columns["round"].astype(np.int64)
        if (np.diff(key) < 0).any():
            order = np.argsort(key, kind="stable")
            columns = {name: values[order] for name, values in columns.items()}
        starts = np.searchsorted(columns["lane"], np.arange(last - first + 1))
        return Transmissions(
            first,
            starts.astype(np.int64),
            *(np.ascontiguousarray(columns[name], np.int32) for name in ("agent", "round", "infector", "occasion")),
        )

    def _read(self, file: DataFile, columns: "list[str] | tuple[str, ...]") -> pa.Table:
        if self._message_id is None:
            return self._warehouse.read_rows(file, self._keys, list(columns))
        return self._chosen(self._warehouse.read_rows(file, self._keys, [*columns, "message_id"]))

    def _chosen(self, rows: pa.Table) -> pa.Table:
        """Return the rows of the message that is asked for."""
        if self._message_id is None:
            return rows
        return rows.filter(pc.equal(rows["message_id"].cast(pa.string()), self._message_id))


def check_result(result: Any) -> None:
    """Raise InvalidInputError unless this is the result of one session."""
    if not isinstance(result, Result):
        several = isinstance(result, Mapping) and len(result) > 0
        one = f", such as that of its session {next(iter(result))!r}" if several else ""
        raise InvalidInputError(f"{result!r} is not the result of a session; give one{one}")


def check_activations(result: Any) -> None:
    """Raise InvalidInputError unless this is the result of a session that recorded activations or contacts."""
    check_result(result)
    if not records_activations(result):
        raise InvalidInputError(
            f"session {result.session_id} recorded {result.session['record']!r}, and who activated whom is not in it; "
            "run it with record: activations (record='activations' in Python)"
        )


def records_activations(result: Result) -> bool:
    """Return whether a session recorded who activated whom."""
    return RECORDS.index(result.session["record"]) >= RECORDS.index("activations")


def _nothing() -> pa.Table:
    return pa.table({name: pa.array([], pa.int32()) for name in _COLUMNS[1:]})
