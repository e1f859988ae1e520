"""Explanation: by which paths a message reached an agent.

Recorded activations are read a few million rows at a time, so that a session may have any number of them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from analytics.intervals import share_interval
from data.quantities import readable_share
from data.validation import checked_count
from propagation.competing_messages import message_names
from propagation.result import Result
from propagation.transmissions import RecordedActivations, Transmissions, check_result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

PATHS = 10
"""Paths that an explanation names by default."""
ARROW = " > "
"""What separates the agents of a path in text."""


@dataclass(frozen=True)
class Explanation:
    """How a message reached an agent.

    Attributes
    ----------
    agent_id : str
        The agent.
    replicates, reached : int
        Replicates of the session, and how many of them reached the agent.
    mean_round : float
        Mean round in which it was reached, over those replicates; NaN if there are none.
    distinct_paths : int
        Different paths that occurred.
    paths : DataFrame
        One row per path, the most frequent first: ``path`` (list of agent ids, from the seed to the agent), ``steps``
        (transmissions), ``replicates`` (in which the message took it), ``probability`` (share of all replicates) with
        its 95 % interval ``probability_low`` and ``probability_high``, ``share`` (of those that reached the agent);
        where messages compete also ``message``, the one that took the path.
    passed_through : DataFrame
        One row per other agent on any of the paths, the most frequent first: ``agent_id``, ``replicates``,
        ``probability``, ``probability_low``, ``probability_high``, ``share``, and ``transmitted`` (share in which it
        was the one that activated the agent).
    messages : DataFrame or None
        Where messages compete, one row per message, in the session's order: ``message``, ``replicates`` (in which the
        agent adopted it), ``probability``, ``probability_low``, ``probability_high``, ``share`` and ``mean_round``;
        None where one spreads.
    """

    agent_id: str
    replicates: int
    reached: int
    mean_round: float
    distinct_paths: int
    paths: "pd.DataFrame"
    passed_through: "pd.DataFrame"
    messages: "pd.DataFrame | None" = None

    @property
    def probability(self) -> float:
        """Share of the replicates that reached the agent."""
        return self.reached / self.replicates

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the probability."""
        low, high = share_interval(self.reached, self.replicates)
        return float(low), float(high)

    @property
    def sentence(self) -> str:
        """Whether, how often and by how many paths the agent was reached, as a sentence."""
        if not self.reached:
            return f"{self.agent_id} was reached in none of {self.replicates:,} replicates"
        if self.distinct_paths == 1 and not int(self.paths["steps"].iloc[0]):
            return f"{self.agent_id} is a seed: the message starts there{self._by_which_message}"
        low, high = self.interval
        paths = "1 path" if self.distinct_paths == 1 else f"{self.distinct_paths:,} different paths"
        return (
            f"{self.agent_id} was reached in {self.reached:,} of {self.replicates:,} replicates "
            f"({readable_share(self.probability)}, 95 % interval {100 * low:.1f} to {readable_share(high)}), in round "
            f"{self.mean_round:.1f} on average, by {paths}{self._by_which_message}"
        )

    @property
    def _by_which_message(self) -> str:
        """How often the agent adopted each message, as the end of a sentence; empty where one message spreads."""
        if self.messages is None:
            return ""
        told = (f"{row['message']} in {readable_share(row['probability'])}" for row in self.messages.to_dict("records"))
        return f"; it adopted {', '.join(told)} of the replicates"

    def plot(self, ax: "Axes | None" = None, *, session: str = "") -> "Axes":
        """Draw the most frequent paths as a diagram; see `analytics.decision_plots.path_diagram`."""
        from analytics.decision_plots import path_diagram

        return path_diagram(self, ax=ax, session=session)

    def __repr__(self) -> str:
        return f"Explanation({self.sentence})"

    def _repr_html_(self) -> str:
        shown = self.paths.assign(path=self.paths["path"].map(ARROW.join))
        return f"<p><b>{self.sentence}</b></p>{shown.to_html(index=False)}"


def explain(session: Result, agent: Any, *, paths: int = PATHS) -> Explanation:
    """Return the paths by which a message reached an agent, with their probabilities; where several compete, of each.

    In each replicate, the path is traced from the agent's first activation back to a seed, from infector to infector.
    Our own: compiled, and streaming over replicates, so recorded activations may exceed memory.

    Parameters
    ----------
    session : Result
        Its session must have recorded activations.
    agent : str or int
        Original id of the agent.
    paths : int
        Most frequent paths to return, at least 1; ties by length, then by dense id.

    Returns
    -------
    Explanation

    Raises
    ------
    InvalidInputError
        If the session did not record activations, or `paths` is less than 1.
    UnknownAgentError
        If the agent is not in the network.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> from propagation import simulate
    >>> from propagation.models import IndependentCascade
    >>> friends = pd.DataFrame({"source": ["ann", "bob"], "target": ["bob", "cy"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("friends", friends)
    >>> model = IndependentCascade(probability=1.0)
    >>> result = simulate(network, model, seed_set=["ann"], replicates=4, record="activations")
    >>> explain(result, "cy").paths["path"].to_list()
    [['ann', 'bob', 'cy']]
    """
    paths = checked_count("paths", paths)
    check_result(session)
    network = session.network
    (target,) = network.dense_ids([agent]).tolist()
    activations = RecordedActivations(session)
    found: Counter[tuple[int, ...]] = Counter()
    rounds: Counter[int] = Counter()
    for part in activations:
        for path, round_ in _paths_to(part, target, network.n_ids):
            found[path] += 1
            rounds[path[0]] += round_
    reached, replicates = sum(found.values()), activations.replicates
    names = _Names(session, {each for path in found for each in path} | {target})
    frequent = sorted(found.items(), key=lambda item: (-item[1], len(item[0]), item[0]))
    frame = _path_frame([([names[a] for a in path], times) for path, times in frequent[:paths]], replicates, reached)
    called, message_of = message_names(session), _messages_of_seeds(session)
    if called:
        frame.insert(0, "message", [called[message_of[path[0]]] for path, _ in frequent[:paths]])
    return Explanation(
        agent_id=names[target],
        replicates=replicates,
        reached=reached,
        mean_round=rounds.total() / reached if reached else float("nan"),
        distinct_paths=len(found),
        paths=frame,
        passed_through=_passed_through(found, target, names, replicates, reached),
        messages=_by_message(found, rounds, called, message_of, replicates) if called else None,
    )


def _messages_of_seeds(session: Result) -> dict[int, str]:
    """Return the message of each seed, by dense id, where messages compete: that of all paths that begin there."""
    messages = session.session.get("seed_messages") or []
    seeds = session.network.dense_ids(session.session["seed_agents"]).tolist() if messages else []
    return dict(zip(seeds, messages, strict=True))


def _by_message(
    found: Counter[tuple[int, ...]],
    rounds: Counter[int],
    called: dict[str, str],
    message_of: dict[int, str],
    replicates: int,
) -> "pd.DataFrame":
    """Return one row per competing message: in how many replicates the agent adopted it, and when."""
    import pandas as pd

    times, sums = dict.fromkeys(called, 0), dict.fromkeys(called, 0)
    for path, count in found.items():
        times[message_of[path[0]]] += count
    for seed, total in rounds.items():
        sums[message_of[seed]] += total
    counts = list(times.values())
    means = [total / count if count else float("nan") for total, count in zip(sums.values(), counts, strict=True)]
    return pd.DataFrame(
        {"message": list(called.values()), **_shares(counts, replicates, sum(counts)), "mean_round": means}
    )


class _Names:
    """Original ids of some agents by dense id."""

    def __init__(self, session: Result, agents: set[int]) -> None:
        dense = sorted(agents)
        self._names = dict(zip(dense, session.network.agent_ids.take(pa.array(dense)).to_pylist(), strict=True))

    def __getitem__(self, agent: int) -> str:
        return str(self._names[agent])


def _paths_to(part: Transmissions, target: int, n_ids: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield, for each replicate that reached an agent, the path from a seed to it, and the round of its activation."""
    rows = np.flatnonzero((part.agents == target) & part.is_first)
    if not len(rows):
        return
    parents = part.parents(n_ids)
    steps = [rows]
    while (steps[-1] >= 0).any():
        steps.append(np.where(steps[-1] >= 0, parents[steps[-1]], -1))
    # From the agent back to a seed, one column per step; -1 beyond the seed.
    matrix = np.stack(steps, axis=1)
    agents = np.where(matrix >= 0, part.agents[matrix], -1)
    for path, round_ in zip(agents.tolist(), part.rounds[rows].tolist(), strict=True):
        yield tuple(each for each in reversed(path) if each >= 0), round_


def _shares(times: "list[int]", replicates: int, reached: int) -> "dict[str, Any]":
    """Return the columns that say how many of the replicates had something."""
    counts = np.array(times, np.int64)
    low, high = share_interval(counts, replicates)
    return {
        "replicates": counts,
        "probability": counts / replicates,
        "probability_low": low,
        "probability_high": high,
        "share": counts / max(reached, 1),
    }


def _path_frame(paths: Sequence[tuple[list[str], int]], replicates: int, reached: int) -> "pd.DataFrame":
    import pandas as pd

    columns = {"path": [path for path, _ in paths], "steps": [len(path) - 1 for path, _ in paths]}
    return pd.DataFrame({**columns, **_shares([times for _, times in paths], replicates, reached)})


def _passed_through(
    found: Counter[tuple[int, ...]], target: int, names: _Names, replicates: int, reached: int
) -> "pd.DataFrame":
    """Return one row per agent that lies on the paths to another."""
    import pandas as pd

    on_path: Counter[int] = Counter()
    last: Counter[int] = Counter()
    for path, times in found.items():
        for agent in set(path) - {target}:
            on_path[agent] += times
        if len(path) > 1:
            last[path[-2]] += times
    agents = sorted(on_path, key=lambda agent: (-on_path[agent], agent))
    shares = _shares([on_path[agent] for agent in agents], replicates, reached)
    transmitted = [last[agent] / reached for agent in agents]
    return pd.DataFrame({"agent_id": [names[agent] for agent in agents], **shares, "transmitted": transmitted})
