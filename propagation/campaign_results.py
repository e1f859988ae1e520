"""Results of a campaign: its sessions by name, side by side in a table, on one axis, and one minus another."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from data.cards import card
from data.errors import InvalidInputError
from data.validation import suggestion
from data.warehouse.catalogue import query
from data.warehouse.frames import pandas_frame
from data.warehouse.store import Store
from propagation.published import campaign_id_of, load_results
from propagation.result import Reach, Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SHOWN = 10
"""Most sessions that a card lists: those with the largest reach."""
_TABLE = """
    SELECT
        session, strategy, budget, propagation_model, replicates, reach, reach_standard_error, rounds, stopped_because,
        session_id
    FROM campaign_results
    WHERE campaign_id = '{}'
    ORDER BY position
"""


class CampaignResults(Mapping[str, Result]):
    """Results of a campaign's sessions, by the sessions' names, in the campaign's order.

    Parameters
    ----------
    warehouse : Store
        Where they are published.
    campaign : str
        Name of the campaign.
    campaign_id : str
    results : mapping from str to Result
    """

    def __init__(self, warehouse: Store, campaign: str, campaign_id: str, results: Mapping[str, Result]) -> None:
        self.warehouse, self.campaign, self.campaign_id = warehouse, campaign, campaign_id
        self._results = dict(results)

    def __getitem__(self, session: str) -> Result:
        """Return the result of a session."""
        return self._results[session]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the sessions."""
        return iter(self._results)

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self._results)

    def __repr__(self) -> str:
        listed = ", ".join(f"{name!r}: {result.reach}" for name, result in self._largest().items())
        more = f", and {len(self) - SHOWN:,} more" if len(self) > SHOWN else ""
        return f"CampaignResults({self.campaign!r}, {len(self):,} sessions: {listed}{more})"

    def _repr_html_(self) -> str:
        shown, network = self._largest(), next(iter(self.values())).network
        best, *_, last = [*shown, *shown]
        more = {"sessions": f"and {len(self) - SHOWN:,} more, with smaller reach"} if len(self) > SHOWN else {}
        facts = {
            "network": f"{network.network_id}, {network.n_agents:,} agents, {network.n_edges:,} edges",
            **{f"session {name}": str(result.reach) for name, result in shown.items()},
            **more,
        }
        steps = ["results.table()", "results.plot()", f"results[{best!r}]"]
        compared = [f"results.difference({best!r}, {last!r})"] if len(shown) > 1 else []
        return card(f"Campaign {self.campaign}", facts, [*steps, *compared])

    def _largest(self) -> dict[str, Result]:
        """Return the sessions with the largest reach, the largest first."""
        ordered = sorted(self.items(), key=lambda item: item[1].reach.mean, reverse=True)
        return dict(ordered[:SHOWN])

    def table(self) -> "pd.DataFrame":
        """Return one row per session, by its name, with the seed strategy that the campaign requested and the reach.

        Columns: strategy, budget, propagation_model, replicates, reach (mean, agents), reach_standard_error, rounds,
        stopped_because, session_id; as in the view `campaign_results`.
        """
        return pandas_frame(query(self.warehouse, _TABLE.format(self.campaign_id))).set_index("session")

    def plot(self, ax: "Axes | None" = None, **style: Any) -> "Axes":
        """Draw the adoption curves of all sessions on one axis.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: new axes.
        **style
            Passed to `Result.plot`.
        """
        for name, result in self.items():
            ax = result.plot(ax=ax, label=name, **style)
        if ax is None:
            raise InvalidInputError(f"campaign {self.campaign!r} has no sessions to draw")
        return ax

    def difference(self, first: str, second: str) -> Reach:
        """Return how many more agents one session reaches than another; see `difference`.

        Raises
        ------
        InvalidInputError
            If the campaign has no such session.
        """
        for name in (first, second):
            if name not in self:
                known = ", ".join(map(repr, self))
                raise InvalidInputError(f"no session {name!r}{suggestion(name, self)}; sessions are {known}")
        return difference(self[first], self[second])


def results(warehouse: Store, campaign: str, *, together: Sequence[str] = ()) -> CampaignResults:
    """Return the results of a campaign, by the names of its sessions, in its order.

    Parameters
    ----------
    warehouse : Warehouse
    campaign : str
        Name of the campaign, of which the configuration that was completed last counts; or its campaign_id.
    together : sequence of str
        Tables that are read for all sessions at once, as by `propagation.published.load_results`.

    Raises
    ------
    InvalidInputError
        If the warehouse has no such campaign; the message lists those it has.

    Examples
    --------
    >>> import tempfile
    >>> results(Store(tempfile.mkdtemp()), "spring")
    Traceback (most recent call last):
      ...
    data.errors.InvalidInputError: no campaign 'spring' in warehouse ... (campaigns there: none yet)...
    """
    campaign_id = campaign_id_of(warehouse, campaign)
    (name,) = {row["campaign"] for row in warehouse.read("campaigns").to_pylist() if row["campaign_id"] == campaign_id}
    rows = [row for row in warehouse.read("campaign_sessions").to_pylist() if row["campaign_id"] == campaign_id]
    rows.sort(key=lambda row: row["position"])
    loaded = load_results(warehouse, [row["session_id"] for row in rows], together=together)
    named = {row["session"]: result for row, result in zip(rows, loaded, strict=True)}
    return CampaignResults(warehouse, name, campaign_id, named)


def common_replicates(first: Result, second: Result) -> tuple[int, int]:
    """Return the range of replicates that two sessions both have: the first one, and the one after the last."""
    firsts, ends = [], []
    for result in (first, second):
        firsts.append(int(result.session.get("first_replicate") or 0))
        ends.append(firsts[-1] + int(result.session["replicates"]))
    return max(firsts), max(min(ends), max(firsts))


def are_paired(first: Result, second: Result) -> bool:
    """Return whether two sessions can be compared replicate by replicate: they use common random numbers.

    They have the same random seed, and one has all the replicates of the other.
    """
    low, high = common_replicates(first, second)
    fewest = min(int(first.session["replicates"]), int(second.session["replicates"]))
    return bool(first.session["random_seed"] == second.session["random_seed"] and high - low == fewest)


def common_sizes(first: Result, second: Result) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the cascade sizes of two sessions in the replicates that both have, (k,) int64 each."""
    low, high = common_replicates(first, second)
    sizes = []
    for result in (first, second):
        begin = int(result.session.get("first_replicate") or 0)
        sizes.append(result.cascades["size"].to_numpy()[low - begin : high - begin])
    return sizes[0], sizes[1]


def difference(first: Result, second: Result) -> Reach:
    """Return how many more agents one session reaches than another, with its standard error.

    Sessions with the same random seed use common random numbers, so they are compared replicate by replicate, over the
    replicates that both have, which removes the shared variance; all others are compared as independent.

    Parameters
    ----------
    first, second : Result

    Returns
    -------
    Reach
        Mean difference; its standard error is None for one replicate.
    """
    replicates = min(first.reach.replicates, second.reach.replicates)
    if are_paired(first, second):
        sizes, others = common_sizes(first, second)
        apart = sizes - others
        error = float(apart.std(ddof=1) / np.sqrt(replicates)) if replicates > 1 else None
        return Reach(float(apart.mean()), error, replicates)
    if replicates < 2:
        return Reach(first.reach.mean - second.reach.mean, None, replicates)
    errors = first.reach.standard_error or 0.0, second.reach.standard_error or 0.0
    return Reach(first.reach.mean - second.reach.mean, float(np.hypot(*errors)), replicates)
