"""What the partitioned plan writes: recorded rows, and checkpoints from which a run resumes.

A checkpoint is a manifest with two kinds of pending files, which belong to no table: the state of every lane after a
round, and the rows recorded until then, which become visible when the sessions are published as a whole. Only the
counts, `lane_rounds`, are visible at once.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import AlreadyPublishedError
from data.warehouse.keys import session_key
from data.warehouse.manifests import DataFile, Manifest
from data.warehouse.store import Store
from data.warehouse.tables.specification import SYMBOL
from propagation.kernels.lane_arrays import Contacts
from propagation.kernels.partitions import COUNTS, Live, Touched
from propagation.lane_counts import AgentReach
from propagation.plans.lane_rows import LaneRows, reach_of
from propagation.plans.partitioned.partition_tasks import Step, listed, resume
from propagation.plans.partitioned.wave import LaneRuns, Wave
from propagation.plans.row_writer import activation_rows, collected_rows, contact_table
from propagation.sessions import derived_uuid

KIND = "checkpoint"
"""Kind of the publications of checkpoints."""


def collect(
    wave: Wave,
    _partition: int,
    step: Step,
    over: npt.NDArray[np.int64],
    *,
    publish: bool,
    keep: bool = False,
) -> LaneRows:
    """Write the rows recorded in a partition since the last checkpoint, up to the last round of each lane.

    Parameters
    ----------
    over : (lanes,) int64
        Last round of each lane.
    publish : bool
        Whether to stage rows, or return them.
    keep : bool
        Whether to stage activations also where they are needed only to count reach.
    """
    ids = [session.session_id for session in wave.sessions]
    with collected_rows(wave.network.warehouse if publish else None) as writer:
        for lane, events in step.state.events:
            if wave.one.records("activations") or keep:
                of = wave.lanes[lane]
                writer.write("activations", activation_rows(wave.sessions, of[:, 0], of[:, 1], events))
        for lane, contacts in step.state.contacts:
            kept = contacts.round <= over[lane]
            rows_kept = Contacts._make(column[kept] for column in contacts)
            of = wave.lanes[lane[kept]]
            writer.write("propagation_events", contact_table(ids, of[:, 0], of[:, 1], rows_kept))
    none = np.empty((3, 0), np.int32)
    firsts = [np.stack([wave.lanes[lane, 0], e.agent, e.round])[:, e.occasion == 1] for lane, e in step.state.events]
    reach = reach_by_session(wave, *np.concatenate([none, *firsts], axis=1))
    return LaneRows(reach=reach, files=writer.files, tables=writer.tables)


def reach_by_session(
    wave: Wave, session: npt.NDArray[np.int32], agent: npt.NDArray[np.int32], number: npt.NDArray[np.int32]
) -> dict[int, AgentReach]:
    """Return the reach of first activations by position of the session in the wave: (k,) session, agent, round."""
    if not wave.one.records("reach"):
        return {}
    own = [session == position for position in range(len(wave.sessions))]
    return {position: reach_of(agent[where], number[where]) for position, where in enumerate(own)}


# -- checkpoints ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SavedPartition:
    """What a partition wrote for a checkpoint: the rows recorded since the previous one, and its state."""

    rows: LaneRows
    state: list[DataFile]


def save(wave: Wave, partition: int, step: Step, over: npt.NDArray[np.int64]) -> SavedPartition:
    """Stage a partition's rows since the last checkpoint, and its state."""
    rows = collect(wave, partition, step, over, publish=True, keep=True)
    low, high = (int(agent) for agent in wave.firsts[partition : partition + 2])
    states = _state_rows(wave, step.state.number, *listed(wave, partition, step))
    staged = [wave.network.warehouse.stage("lane_states", states, (low, high - 1))] if len(states) else []
    return SavedPartition(rows, staged)


def _of_lanes(wave: Wave, ends: npt.NDArray[np.int64]) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    lane = np.repeat(np.arange(len(wave.lanes)), np.diff(ends))
    session, replicate = wave.lanes[lane].T
    ids = pa.array([session.session_id for session in wave.sessions])
    codes = pa.DictionaryArray.from_arrays(pa.array(np.ascontiguousarray(session)), ids).cast(SYMBOL)
    return lane, {"session_id": codes, "replicate": np.ascontiguousarray(replicate)}


def _compartments(wave: Wave, numbers: npt.NDArray[np.uint8]) -> pa.Array:
    names = pa.array(wave.one.model.rules.compartments)
    return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int32)), names).cast(SYMBOL)


def _state_rows(wave: Wave, number: int, touched: Touched, live: Live) -> pa.Table:
    lane, key = _of_lanes(wave, touched.ends)
    size = len(lane)
    since = np.full(size, -1, np.int32)
    # Live agents are among the touched ones: find each by (lane, agent).
    width = wave.network.n_ids + 1
    own = lane * np.int64(width) + touched.agent
    order = np.argsort(own)
    wanted = np.repeat(np.arange(len(wave.lanes)), np.diff(live.ends)) * np.int64(width) + live.agent
    since[order[np.searchsorted(own, wanted, sorter=order)]] = live.since
    reached = wave.program.reached[touched.compartment].astype(np.int32)
    return pa.table(
        {
            **key,
            "round": np.full(size, number, np.int32),
            "agent": touched.agent,
            "compartment": _compartments(wave, touched.compartment),
            "since": pa.array(since, mask=since < 0),
            "occasion": touched.occasion if len(touched.occasion) else reached,
            "weight": touched.weight if len(touched.weight) else np.zeros(size, np.int64),
            "contacts": touched.contacts if len(touched.contacts) else np.zeros(size, np.int32),
            "activated": np.zeros(size, bool),
            "infector": pa.nulls(size, pa.int32()),
        }
    )


def wave_key(wave: Wave) -> str:
    """Return the prefix of the keys of a wave's checkpoints; the same lanes have the same one."""
    return f"{KIND}/" + derived_uuid("wave", str(sorted(wave.runs)))


def saved_lanes(warehouse: Store) -> list[LaneRuns]:
    """Return the groups of lanes that have a checkpoint, those with the most lanes times rounds first."""
    done: dict[tuple[tuple[str, int, int], ...], int] = {}
    for manifest in warehouse.publications(KIND):
        if "lanes" in manifest.properties:
            lanes = tuple(map(tuple, manifest.properties["lanes"]))
            done[lanes] = int(manifest.properties["round"]) * sum(end - first for _, first, end in lanes)
    return list(map(list, sorted(done, key=done.__getitem__, reverse=True)))


def commit(
    wave: Wave,
    number: int,
    counts: Sequence[npt.NDArray[np.int64]],
    states: Sequence[DataFile],
    rows: Sequence[DataFile],
    after: int,
) -> bool:
    """Publish a checkpoint that supersedes the previous one; return whether it was published by this run.

    Parameters
    ----------
    wave : Wave
    number : int
        The round after which the states are.
    counts : sequence of (lanes, COUNTS) int64
        Of all rounds up to it.
    states, rows : sequence of DataFile
        State of all lanes, and rows recorded since this run's checkpoint before.
    after : int
        The round of this run's previous checkpoint, -1 if there is none.
    """
    warehouse, before = wave.network.warehouse, _published(wave)
    first = int(before[-1].properties["round"]) + 1 if before else 0
    if first > number:  # another run of these sessions got as far
        return False
    series = np.stack(counts[first:])
    _, key = _of_lanes(wave, np.arange(len(wave.lanes) + 1) * len(series))
    columns = series.transpose(1, 0, 2).reshape(-1, COUNTS)
    names = ("activations", "first_activations", "infectious", "live")
    rounds = pa.table(
        {
            **key,
            "round": np.tile(np.arange(first, number + 1, dtype=np.int32), len(wave.lanes)),
            **{name: np.ascontiguousarray(columns[:, i]) for i, name in enumerate(names)},
            "changed": columns[:, 4] > 0,
        }
    )
    sessions = [session.session_id for session in wave.sessions]
    properties = {
        "round": number,
        "after": after,
        "sessions": sessions,
        "lanes": wave.runs,
        "pending": [dataclasses.asdict(file) for file in rows],
        "passing": [dataclasses.asdict(file) for file in states],
        "supersedes": [key for manifest in before for key in manifest.keys],
        "until": [session_key(session) for session in sessions],
    }
    try:
        warehouse.commit(
            KIND, [f"{wave_key(wave)}/{number}"], [warehouse.stage("lane_rounds", rounds)], properties=properties
        )
    except AlreadyPublishedError:  # by another run of these sessions
        return False
    return True


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint, with the rows of those before it.

    Attributes
    ----------
    number : int
        The round after which it is.
    counts : list of (lanes, COUNTS) int64
        By round.
    rows : list of DataFile
        Files of rows recorded up to it.
    states : list of DataFile
        State of all lanes.
    """

    number: int
    counts: list[npt.NDArray[np.int64]]
    rows: list[DataFile]
    states: list[DataFile]


def last_checkpoint(wave: Wave) -> Checkpoint | None:
    """Return the last checkpoint of a wave, or None if it has none."""
    found = _published(wave)
    if not found:
        return None
    by_round = {int(manifest.properties["round"]): manifest for manifest in found}
    rows: list[DataFile] = []
    number = int(found[-1].properties["round"])
    while number >= 0:  # only those of the run that wrote the last one: another run may have written between them
        rows += by_round[number].pending
        number = int(by_round[number].properties["after"])
    keys = [key for manifest in found for key in manifest.keys]
    counts = _counts(wave, wave.network.warehouse.files("lane_rounds", keys))
    return Checkpoint(int(found[-1].properties["round"]), counts, rows, found[-1].passing)


def _published(wave: Wave) -> list[Manifest]:
    """Return the checkpoints of a wave, in the order of rounds."""
    prefix = wave_key(wave) + "/"
    found = [m for m in wave.network.warehouse.publications(KIND) if m.keys[0].startswith(prefix)]
    return sorted(found, key=lambda manifest: int(manifest.properties["round"]))


def _read(warehouse: Store, files: Sequence[DataFile]) -> pa.Table:
    parts = []
    for file in files:
        rows = warehouse.read_file(file)
        for name in rows.column_names:  # dictionaries differ from file to file
            if rows[name].type == SYMBOL:
                rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(pa.string()))
        parts.append(rows)
    return pa.concat_tables(parts)


def _lane_numbers(wave: Wave, rows: pa.Table) -> npt.NDArray[np.int64]:
    """Return the lane of each row, by its session and replicate."""
    ids = pa.array([session.session_id for session in wave.sessions])
    session = pc.index_in(rows["session_id"], value_set=ids).to_numpy().astype(np.int64)
    width = int(wave.lanes[:, 1].max()) + 1
    known = wave.lanes[:, 0] * np.int64(width) + wave.lanes[:, 1]
    order = np.argsort(known)
    return order[np.searchsorted(known, session * width + rows["replicate"].to_numpy(), sorter=order)]


def _counts(wave: Wave, files: Sequence[DataFile]) -> list[npt.NDArray[np.int64]]:
    rows = _read(wave.network.warehouse, files)
    lane, number = _lane_numbers(wave, rows), rows["round"].to_numpy()
    series = np.zeros((int(number.max()) + 1, len(wave.lanes), COUNTS), np.int64)
    for i, name in enumerate(("activations", "first_activations", "infectious", "live")):
        series[number, lane, i] = rows[name].to_numpy()
    series[number, lane, 4] = rows["changed"].to_numpy(zero_copy_only=False)
    return list(series)


def restored(wave: Wave, partition: int, after: int, states: Sequence[DataFile]) -> Step:
    """Return a partition's step after a round from a checkpoint, whose partitions may have been different."""
    low, high = (int(agent) for agent in wave.firsts[partition : partition + 2])
    program, lanes = wave.program, len(wave.lanes)
    files = [f for f in states if f.division and f.division[0] < high and f.division[1] >= low]
    if not files:
        none = np.empty(0, np.int32)
        ends = np.zeros(lanes + 1, np.int64)
        touched = Touched(ends, none, none.astype(np.uint8), none, none.astype(np.int64), none)
        return resume(wave, partition, after, touched, Live(ends, none, none, none.astype(np.uint8), none))
    rows = _read(wave.network.warehouse, files)
    rows = rows.filter(pc.and_(pc.greater_equal(rows["agent"], low), pc.less(rows["agent"], high)))
    lane = _lane_numbers(wave, rows)
    order = np.argsort(lane, kind="stable")
    rows, lane = rows.take(pa.array(order)), lane[order]
    names = pa.array(wave.one.model.rules.compartments)
    compartment = pc.index_in(rows["compartment"], value_set=names).to_numpy().astype(np.uint8)
    agent, occasion = rows["agent"].to_numpy(), rows["occasion"].to_numpy()
    ends = np.searchsorted(lane, np.arange(lanes + 1))
    none = np.empty(0, np.int32)
    touched = Touched(
        ends,
        agent,
        compartment,
        occasion if program.recurrent else none,
        rows["weight"].to_numpy() if program.adds or program.mixing >= 0 else none.astype(np.int64),
        rows["contacts"].to_numpy() if program.fatigued else none,
    )
    is_live = rows["since"].is_valid().to_numpy()
    since = rows["since"].fill_null(-1).to_numpy()[is_live]
    live_ends = np.searchsorted(lane[is_live], np.arange(lanes + 1))
    own = np.maximum(occasion[is_live], 1)
    return resume(wave, partition, after, touched, Live(live_ends, agent[is_live], since, compartment[is_live], own))


def saved_reach(wave: Wave, files: Sequence[DataFile]) -> dict[int, AgentReach]:
    """Return the reach of the activations in some files, by position of the session in the wave."""
    if not files:
        return {}
    rows = _read(wave.network.warehouse, files)
    rows = rows.filter(pc.equal(rows["occasion"], 1))
    session = wave.lanes[_lane_numbers(wave, rows), 0]
    return reach_by_session(wave, session, rows["agent"].to_numpy(), rows["round"].to_numpy())
