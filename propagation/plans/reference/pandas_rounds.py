"""Rounds of users' own models: the counterpart of `rules_in_pandas`, with the user's functions instead of rules.

Rows are passed and summed in the order of their keys, so that nothing depends on partitions. Results of the user's
functions are validated before use.
"""

import hashlib
import traceback
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import InvalidInputError, RumormillError
from data.networks.network import Network
from propagation.draws import Purpose, agent_draws, edge_draws, stream
from propagation.models.pandas_model import MOVES, PandasModel
from propagation.weights import agent_column

EDGE = "edge:"
"""Prefix of edge columns, removed before a user's function sees them."""
CARRIED = "carried:"
"""Prefix of columns with the values sent along a contact."""
TARGET = "target:"
"""Prefix of columns with the memory of the contacted agent."""
_RANGE = 2.0**32
_ROWS = (pd.DataFrame, pd.Series, pd.Index, pd.api.extensions.ExtensionArray, np.ndarray, list, tuple)
"""Types that can hold a value per row."""


class Draws:
    """Uniform numbers in [0, 1), one per row of a frame: a pure function of the rows' keys.

    Parameters
    ----------
    random_seed : int
    rows : DataFrame
        Index of the numbers.
    src, dst : array_like of int
        Agents that key the rows; dst is None where the rows are agents.
    replicates, trials, occasions : array_like of int
        The rest of the key.
    """

    def __init__(self, random_seed: int, rows: pd.DataFrame, src: Any, dst: Any, *key: npt.ArrayLike) -> None:
        self._random_seed, self._index, self._src, self._dst, self._key = random_seed, rows.index, src, dst, key

    def __call__(self, name: str) -> "pd.Series[float]":
        """Return the numbers of this name; those of another name are independent of them."""
        if not isinstance(name, str):
            raise TypeError(f"draws({name!r}): give the draws a name, such as draws('infection')")
        variant = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        made = stream(self._random_seed, Purpose.OWN, variant)
        if self._dst is None:
            numbers = agent_draws(made, self._src, *self._key)
        else:
            numbers = edge_draws(made, self._src, self._dst, *self._key)
        return pd.Series(numbers / _RANGE, index=self._index, name=name)


class PandasRounds:
    """The rounds of a session of a user's own model.

    Parameters
    ----------
    network : Network
    model : PandasModel
    random_seed : int

    Attributes
    ----------
    memory : dict
        Names and initial values of the numbers kept for every agent, in addition to its state.
    """

    def __init__(self, network: Network, model: PandasModel, random_seed: int) -> None:
        self.network, self.model, self.random_seed = network, model, random_seed
        self.rules = model.rules
        self.memory = {**{name: float(initial) for name, initial in model.memory.items()}, MOVES: 0.0}
        self._names = np.array(self.rules.compartments)
        self._carries = tuple(model.carries) or ("total",)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """Return the values that identify these rounds."""
        model = self.model
        source = (model.name, model.source_fingerprint, sorted(model.resolved_parameters.items()))
        return self.network.snapshot_id, *source, self.random_seed

    @property
    def weighed(self) -> dict[str, str]:
        """Columns that `weigh` adds to edges."""
        return {EDGE + name: "float64" for name in self.model.edge_columns}

    @property
    def carried(self) -> dict[str, str]:
        """Columns that `attempt` adds to contacts."""
        return {CARRIED + name: "float64" for name in self._carries}

    def weigh(self, edges: pd.DataFrame) -> pd.DataFrame:
        """Return edges by src with the columns that the model reads."""
        found = {EDGE + name: edges[name].to_numpy(np.float64, na_value=np.nan) for name in self.model.edge_columns}
        return edges[["dst"]].assign(**found)

    def start(self, agents: npt.NDArray[np.int64], replicates: npt.NDArray[np.int64]) -> pd.DataFrame:  # noqa: ARG002 (as for rules)
        """Return no agents: all but the seeds start in the first compartment."""
        names = ("replicate", "agent", "compartment", "since", "occasion", "weight", "contacts")
        return pd.DataFrame({name: np.empty(0, np.int64) for name in names})

    # -- transmission ---------------------------------------------------------------------------------------------

    def attempt(self, contacts: pd.DataFrame, number: int) -> pd.DataFrame:
        """Return contacts with their outcomes, as `rules_in_pandas.RulesInPandas.attempt` does, and the values sent."""
        contacts = contacts.sort_values(["replicate", "dst", "src"], ignore_index=True)
        since = number - contacts["since"].to_numpy(np.int64) - 1
        key = (contacts["src"], contacts["dst"], contacts["replicate"])
        occasion = np.maximum(contacts["occasion"], 1)
        draw = edge_draws(stream(self.random_seed, Purpose.INFECTOR), *key, since, occasion)
        travels = np.zeros((len(contacts), len(self._carries)))
        if len(contacts):
            frame = self._frame_of_contacts(contacts, since, number)
            draws = Draws(self.random_seed, frame, *key, since, contacts[MOVES] + 1)
            travels = self._checked_travels(self._call("transmit", number, frame, draws), frame, number)
        found = contacts.assign(
            success=(travels != 0).any(axis=1),
            added=0,
            target_to=-1,
            stop_to=-1,
            adds=False,
            open=True,
            infector_draw=draw.astype(np.int64),
        )
        return found.assign(**{CARRIED + name: travels[:, i] for i, name in enumerate(self._carries)})

    def _frame_of_contacts(self, contacts: pd.DataFrame, since: npt.NDArray[np.int64], number: int) -> pd.DataFrame:
        columns: dict[str, Any] = {
            "replicate": contacts["replicate"],
            "round": np.int32(number),
            "src": contacts["src"],
            "dst": contacts["dst"],
            "src_compartment": self._names[contacts["compartment"].to_numpy()],
            "dst_compartment": self._names[contacts["target"].to_numpy()],
            "rounds_since": since,
            "occasion": contacts["occasion"],
        }
        columns |= {name: contacts[EDGE + name] for name in self.model.edge_columns}
        for name in self.model.agent_columns:
            values = agent_column(self.network, name)
            columns[f"source_{name}"], columns[f"target_{name}"] = values[contacts["src"]], values[contacts["dst"]]
        for name in self.model.memory:
            columns[f"source_{name}"], columns[f"target_{name}"] = contacts[name], contacts[TARGET + name]
        return pd.DataFrame(columns, index=contacts.index)

    def _checked_travels(self, returned: Any, frame: pd.DataFrame, number: int) -> npt.NDArray[np.float64]:
        """Return what a transmission function returned, (rows, numbers) float64."""
        if self.model.carries:
            self._check_frame("transmit", number, returned, frame, self._carries, self._carries)
            columns = [returned[name] for name in self._carries]
        else:
            columns = [returned]
        return np.stack([self._numbers("transmit", number, column, frame, "number") for column in columns], axis=1)

    # -- update ---------------------------------------------------------------------------------------------------

    def update(self, agents: pd.DataFrame, contacts: pd.DataFrame, stops: pd.DataFrame, number: int) -> pd.DataFrame:  # noqa: ARG002 (as for rules)
        """Return agents after the round, as `rules_in_pandas.RulesInPandas.update` does."""
        before = agents["compartment"].to_numpy(np.int64)
        replicate, agent = (agents.index.get_level_values(i).to_numpy(np.int64) for i in (0, 1))
        after, memory = before, {name: agents[name].to_numpy() for name in self.model.memory}
        if len(agents):
            since = number - agents["since"].to_numpy(np.int64) - 1
            frame = self._frame_of_agents(agents, replicate, agent, since, number)
            arrivals = self._arrivals(agents.index, contacts).set_axis(frame.index)
            draws = Draws(self.random_seed, frame, agent, None, replicate, since, agents[MOVES].to_numpy() + 1)
            returned = self._call("update", number, frame, arrivals, draws)
            after, memory = self._checked_update(returned, frame, memory, number)
        moved = after != before
        reached = [self.rules.number(name) for name in self.rules.reached]
        activated = np.isin(after, reached) & ~np.isin(before, reached)
        succeeded = contacts[contacts["success"]].sort_values(["infector_draw", "src"])
        first = succeeded.drop_duplicates(subset=["replicate", "dst"]).set_index(["replicate", "dst"])["src"]
        return agents.assign(
            **memory,
            compartment=after,
            since=np.where(moved, number, agents["since"]),
            occasion=agents["occasion"] + activated,
            moves=agents[MOVES] + moved,
            activated=activated,
            infector=np.where(activated, first.reindex(agents.index).fillna(-1), -1).astype(np.int64),
        )

    def _frame_of_agents(
        self,
        agents: pd.DataFrame,
        replicate: npt.NDArray[np.int64],
        agent: npt.NDArray[np.int64],
        since: npt.NDArray[np.int64],
        number: int,
    ) -> pd.DataFrame:
        columns: dict[str, Any] = {
            "replicate": replicate,
            "round": np.int32(number),
            "agent": agent,
            "compartment": self._names[agents["compartment"].to_numpy()],
            "rounds_since": since,
            "occasion": agents["occasion"].to_numpy(),
        }
        columns |= {name: agents[name].to_numpy() for name in self.model.memory}
        columns |= {name: agent_column(self.network, name)[agent] for name in self.model.agent_columns}
        return pd.DataFrame(columns)

    def _arrivals(self, index: "pd.Index[Any]", contacts: pd.DataFrame) -> pd.DataFrame:
        """Sum the values sent to each agent, in the order of sources, because float sums depend on the order."""
        by_agent = contacts.sort_values(["replicate", "dst", "src"]).groupby(["replicate", "dst"], sort=False)
        found = {"contacts": by_agent.size(), "successes": by_agent["success"].sum()}
        found |= {name: by_agent[CARRIED + name].sum() for name in self._carries}
        arrivals = pd.DataFrame(found).reindex(index, fill_value=0)
        return arrivals.astype(
            {"contacts": np.int64, "successes": np.int64, **dict.fromkeys(self._carries, np.float64)}
        )

    def _checked_update(
        self, returned: Any, frame: pd.DataFrame, memory: dict[str, npt.NDArray[Any]], number: int
    ) -> tuple[npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
        """Return the compartments and the memory that an update function returned."""
        compartments = returned
        if isinstance(returned, pd.DataFrame):
            self._check_frame("update", number, returned, frame, ("compartment",), ("compartment", *memory))
            compartments = returned["compartment"]
            given = {name: returned[name] for name in memory if name in returned}
            memory = memory | {
                name: self._numbers("update", number, column, frame, f"{name} of an agent")
                for name, column in given.items()
            }
        self._check_rows("update", number, compartments, frame)
        values = np.asarray(compartments, dtype=object)
        codes = pd.Index(self._names, dtype=object).get_indexer(values)
        if (codes < 0).any():
            raise self._error(
                "update",
                number,
                f"returned compartment {values[codes < 0][0]!r}; compartments are {', '.join(self.rules.compartments)}",
            )
        return codes.astype(np.int64), memory

    # -- the user's functions ---------------------------------------------------------------------------------------

    def _call(self, function: str, number: int, *arguments: Any) -> Any:
        try:
            return getattr(self.model, function)(*arguments)
        except RumormillError:
            raise
        except Exception as error:
            made = self._error(function, number, f"failed: {_said(error)}, {_place(error)}")
            made.add_note(
                "".join(traceback.format_exception(error))
            )  # notes survive pickling between processes, causes do not
            raise made from error

    def _error(self, function: str, number: int, sentence: str) -> InvalidInputError:
        return InvalidInputError(f"model {self.model.name!r}, function {function} in round {number} {sentence}")

    def _check_frame(
        self,
        function: str,
        number: int,
        returned: Any,
        frame: pd.DataFrame,
        needed: tuple[str, ...],
        allowed: tuple[str, ...],
    ) -> None:
        if not isinstance(returned, pd.DataFrame):
            kind = type(returned).__name__
            raise self._error(function, number, f"returned a {kind}; return a frame of {', '.join(allowed)}")
        if unknown := [name for name in returned.columns if name not in allowed]:
            raise self._error(function, number, f"returned column {unknown[0]!r}; columns are {', '.join(allowed)}")
        if missing := [name for name in needed if name not in returned.columns]:
            raise self._error(function, number, f"returned no column {missing[0]!r}; return {', '.join(allowed)}")
        self._check_rows(function, number, returned, frame)

    def _check_rows(self, function: str, number: int, returned: Any, frame: pd.DataFrame) -> None:
        given = "contacts" if function == "transmit" else "agents"
        if not isinstance(returned, _ROWS):
            what = "nothing" if returned is None else f"{returned!r}"
            raise self._error(function, number, f"returned {what}; return one value per row of {given}")
        if len(returned) != len(frame):
            raise self._error(
                function, number, f"returned {len(returned):,} rows for {len(frame):,} {given}; return one per row"
            )
        if isinstance(returned, pd.DataFrame | pd.Series) and not returned.index.equals(frame.index):
            raise self._error(
                function, number, f"returned rows whose index differs from that of {given}; keep index and order"
            )

    def _numbers(
        self, function: str, number: int, column: Any, frame: pd.DataFrame, what: str
    ) -> npt.NDArray[np.float64]:
        self._check_rows(function, number, column, frame)
        try:
            found = np.asarray(column, dtype=np.float64)
        except (TypeError, ValueError):
            found = np.empty((0, 0))
        if found.ndim != 1:
            raise self._error(function, number, f"returned {_first(column)!r}; each {what} must be one number")
        if not np.isfinite(found).all():
            raise self._error(function, number, f"returned {found[~np.isfinite(found)][0]}; each {what} must be finite")
        return found


def _first(column: Any) -> Any:
    found = np.asarray(column, dtype=object).ravel()
    return next((value for value in found if not isinstance(value, int | float)), found[0] if len(found) else None)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")


def _place(error: Exception) -> str:
    """Return file and line of the innermost frame in the user's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    others = ("site-packages", "/lib/python", __file__)
    ours = [frame for frame in frames if not any(other in frame.filename for other in others)]
    return f"{ours[-1].filename}, line {ours[-1].lineno}" if ours else "at an unknown line"
