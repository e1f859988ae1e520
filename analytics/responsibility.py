"""Responsibility: through whom most of the spread of a session passes.

Recorded activations are read a few million rows at a time, so that a session may have any number of them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analytics.intervals import mean_intervals
from data.quantities import readable_share
from data.validation import checked_count
from propagation.competing_messages import MessageResult, asked_messages
from propagation.kernels.transmission_trees import count_below
from propagation.result import Result
from propagation.transmissions import RecordedActivations, check_activations

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

AGENTS = 20
"""Agents that `most_responsible` returns by default."""


@dataclass(frozen=True)
class Responsibility:
    """Through whom most of the spread of a session, or of one of its competing messages, passes.

    Attributes
    ----------
    message : str or None
        Name of the message; None where one spreads.
    replicates : int
    with_seeds : bool
        Whether seeds are ranked too.
    transmitted : float
        Activations other than those of seeds, mean over replicates.
    agents : DataFrame
        One row per agent, the largest first: ``agent_id``, ``descendants`` (mean number of activations below its first
        one in the transmission trees, over all replicates, 0 where it was not reached), ``descendants_standard_error``,
        ``descendants_low`` and ``descendants_high`` (95 % interval), ``share`` (of `transmitted`), ``probability``
        (share of replicates that activated it) and ``is_seed``.
    """

    message: str | None
    replicates: int
    with_seeds: bool
    transmitted: float
    agents: "pd.DataFrame"

    @property
    def sentence(self) -> str:
        """Who is first, as a sentence."""
        who = "agent, seeds included" if self.with_seeds else "agent that is not a seed"
        if not len(self.agents):
            return f"no {who} passed the message on in {self.replicates:,} replicates"
        first = self.agents.iloc[0]
        return (
            f"{readable_share(first['share'])} of all transmissions pass through {first['agent_id']}, the most through "
            f"any {who} ({first['descendants']:,.1f} of {self.transmitted:,.1f} per replicate)"
        )

    def first(self, top: int, *, with_seeds: bool) -> "Responsibility":
        """Return the first of these agents, with or without seeds."""
        chosen = self.agents if with_seeds else self.agents[~self.agents["is_seed"]]
        return Responsibility(
            self.message,
            self.replicates,
            self.with_seeds and with_seeds,
            self.transmitted,
            chosen.head(top).reset_index(drop=True),
        )

    def plot(self, ax: "Axes | None" = None, *, session: str = "") -> "Axes":
        """Draw the agents as bars; see `analytics.decision_plots.responsibility_bars`."""
        from analytics.decision_plots import responsibility_bars

        return responsibility_bars(self, ax=ax, session=session)

    def __repr__(self) -> str:
        return f"Responsibility({self.sentence})"

    def _repr_html_(self) -> str:
        return f"<p><b>{self.sentence}</b></p>{self.agents.to_html(index=False)}"


def most_responsible(
    session: Result, *, top: int = AGENTS, with_seeds: bool = False, message: str | None = None
) -> Any:
    """Return the agents through whom most of the spread passes; where messages compete, of each message.

    An agent's descendants are the activations below its first one in the replicate's transmission tree: those that the
    message reached through it. Seeds are left out by default, since all that a seed starts passes through it. Another
    agent might have taken an agent's place had it been missing: for what is gained by removing agents, simulate with
    `blocked` agents and compare.

    Our own: compiled, linear in the activations, and streaming over replicates.

    Parameters
    ----------
    session : Result
        Its session must have recorded activations.
    top : int
        First agents to return, at least 1; ties by dense id.
    with_seeds : bool
        Whether seeds are ranked too.
    message : str, optional
        Name or id of one of several competing messages. Default: each of them.

    Returns
    -------
    Responsibility, or mapping from str to Responsibility
        By the names of the messages if several compete and none is asked for.

    Raises
    ------
    InvalidInputError
        If the session did not record activations, has no such message, or `top` is less than 1.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> from propagation import simulate
    >>> from propagation.models import IndependentCascade
    >>> friends = pd.DataFrame({"source": ["ann", "bob", "bob"], "target": ["bob", "cy", "dan"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("friends", friends)
    >>> model = IndependentCascade(probability=1.0)
    >>> result = simulate(network, model, seed_set=["ann"], replicates=4, record="activations")
    >>> most_responsible(result).agents[["agent_id", "descendants"]].to_dict("records")
    [{'agent_id': 'bob', 'descendants': 2.0}]
    """
    top = checked_count("top", top)
    check_activations(session)
    found = {
        name: _responsible(result, top, with_seeds=with_seeds)
        for name, result in asked_messages(session, message).items()
    }
    return next(iter(found.values())) if None in found or message is not None else found


def _responsible(session: Result, top: int, *, with_seeds: bool) -> Responsibility:
    """Return the agents through whom most of the spread of one message passes."""
    activations = RecordedActivations(session)
    n_ids = session.network.n_ids
    sums, squares, times = (np.zeros(n_ids, np.int64) for _ in range(3))
    transmitted = 0
    for part in activations:
        parents = part.parents(n_ids)
        below = count_below(parents)
        transmitted += int((parents >= 0).sum())
        np.add.at(times, part.agents[part.is_first], 1)
        some = part.is_first & (below > 0)
        np.add.at(sums, part.agents[some], below[some])
        np.add.at(squares, part.agents[some], below[some] ** 2)
    is_seed = np.zeros(n_ids, bool)
    is_seed[session.network.dense_ids(session.session["seed_agents"])] = True
    ranked = sums if with_seeds else np.where(is_seed, 0, sums)
    chosen = np.argsort(-ranked, kind="stable")[:top]
    chosen = chosen[ranked[chosen] > 0]
    replicates = activations.replicates
    mean = transmitted / replicates
    frame = _responsible_frame(session, chosen, sums[chosen], squares[chosen], times[chosen], replicates)
    frame.insert(5, "share", frame["descendants"] / mean if mean else 0.0)
    frame["is_seed"] = is_seed[chosen]
    message = session.name if isinstance(session, MessageResult) else None
    return Responsibility(message, replicates, with_seeds, mean, frame)


def _responsible_frame(
    session: Result,
    chosen: npt.NDArray[np.int64],
    sums: npt.NDArray[np.int64],
    squares: npt.NDArray[np.int64],
    times: npt.NDArray[np.int64],
    replicates: int,
) -> "pd.DataFrame":
    """Return one row per agent: the mean of its descendants over replicates, with its interval."""
    import pandas as pd

    means = sums / replicates
    if replicates > 1:
        variances = np.maximum(squares - sums * means, 0.0) / (replicates - 1)
        errors = np.sqrt(variances / replicates)
    else:
        errors = np.full(len(chosen), np.nan)
    low, high = mean_intervals(means, errors, replicates)
    return pd.DataFrame(
        {
            "agent_id": session.network.agent_ids.take(pa.array(chosen)).to_pylist(),
            "descendants": means,
            "descendants_standard_error": errors,
            "descendants_low": low,
            "descendants_high": high,
            "probability": times / replicates,
        }
    )
