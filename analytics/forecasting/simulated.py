"""Simulated sessions as observed cascades: each replicate is a cascade, its rounds are the time."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.cascades.observed_cascades import NO_INFECTOR, ObservedCascades
from data.errors import InvalidInputError
from propagation.result import Result
from propagation.sessions import RECORDS


def session_cascades(result: Result) -> ObservedCascades:
    """Return the replicates of a session as observed cascades, with rounds as time.

    Parameters
    ----------
    result : Result
        Of a session that was recorded with ``record="activations"`` or more.

    Returns
    -------
    ObservedCascades
        Cascade ``r`` is replicate ``r``; agents have the network's dense ids. Of an agent that is activated several
        times the first activation counts. The id of the set is the session's.

    Raises
    ------
    InvalidInputError
        If the session did not record its activations.
    """
    record = result.session["record"]
    if RECORDS.index(record) < RECORDS.index("activations"):
        raise InvalidInputError(
            f"session {result.session_id} recorded {record!r}, so who was activated when is not known; run it again "
            'with record="activations" (in a campaign file: `record: activations`)'
        )
    rows = result.table("activations").select(["replicate", "round", "agent", "infector", "occasion"])
    rows = rows.filter(pc.equal(rows["occasion"], 1)).sort_by(
        [("replicate", "ascending"), ("round", "ascending"), ("agent", "ascending")]
    )
    replicates = rows["replicate"].to_numpy()
    numbers, starts = np.unique(replicates, return_index=True)
    network = result.network
    return ObservedCascades(
        name=result.session_id,
        cascade_set_id=result.session_id,
        network_id=network.network_id,
        snapshot_id=network.snapshot_id,
        time_unit="rounds",
        cascade_ids=pa.array(numbers.astype(str).tolist(), pa.string()),
        offsets=np.append(starts, len(replicates)).astype(np.int64),
        agents=rows["agent"].to_numpy().astype(np.int32),
        times=rows["round"].to_numpy().astype(np.float64),
        infectors=rows["infector"].fill_null(int(NO_INFECTOR)).to_numpy().astype(np.int32),
        agent_ids=network.agent_ids,
    )
