"""Rules in pandas: a model's round as masks over frames, for the reference plan.

`docs/reference/models.md` defines them. Deliberately simple and slow: the compiled kernels must give the same rows.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.networks.network import Network
from propagation.draws import Purpose, agent_draws, chances, edge_draws, stream
from propagation.models.model import Model
from propagation.models.rules import Contact

FACTORS = 1024
"""Powers of decay and fatigue that are tabulated; higher ones count as the last."""
_CERTAIN = 2**32
_STATE = ("compartment", "since", "occasion", "weight", "contacts")


def times(chance: npt.NDArray[np.int64], factor: npt.NDArray[np.int64] | int) -> npt.NDArray[np.int64]:
    """Return products of chances in [0, 2**32], in 2**-32 and rounded up.

    Examples
    --------
    >>> times(np.array([2**32, 2**31, 1]), 2**31)
    array([2147483648, 1073741824,          1])
    """
    chance, factor = np.broadcast_arrays(np.asarray(chance, np.uint64), np.asarray(factor, np.uint64))
    below = np.minimum(factor, np.uint64(_CERTAIN - 1))
    product = (np.minimum(chance, np.uint64(_CERTAIN - 1)) * below + np.uint64(_CERTAIN - 1)) >> np.uint64(32)
    found = np.where(factor == _CERTAIN, chance, np.where(chance == _CERTAIN, factor, product))
    return found.astype(np.int64)


class RulesInPandas:
    """The rounds of a session of a built-in model.

    Parameters
    ----------
    network : Network
    model : Model
    random_seed : int
    """

    def __init__(self, network: Network, model: Model, random_seed: int) -> None:
        self.network, self.model, self.random_seed = network, model, random_seed
        self.rules = model.rules

    # -- what the round joins -----------------------------------------------------------------------------------

    def edge_columns(self) -> list[str]:
        """Return the edge attributes that are read."""
        weights = [w for w in (self.model.chances(), self.model.influence()) if w is not None]
        return list(dict.fromkeys(name for w in weights for name in w.columns(self.network)))

    def weigh(self, edges: pd.DataFrame) -> pd.DataFrame:
        """Return edges by src with their chance and weight, in 2**-32 (int64)."""
        src, dst = edges.index.to_numpy(np.int64), edges["dst"].to_numpy()
        columns = {name: edges[name].to_numpy(np.float64) for name in self.edge_columns()}
        found = {}
        for name, weights in (("chance", self.model.chances()), ("influence", self.model.influence())):
            numbers = (
                np.zeros(len(edges))
                if weights is None
                else weights.values(self.network, src, dst, columns, self.random_seed)
            )
            found[name] = chances(numbers)
        return edges[["dst"]].assign(**found)

    def start(self, agents: npt.NDArray[np.int64], replicates: npt.NDArray[np.int64]) -> pd.DataFrame:
        """Return the agents other than seeds that do not start in the first compartment."""
        empty = pd.DataFrame({name: np.empty(0, np.int64) for name in ("replicate", "agent", *_STATE)})
        if self.rules.sceptics is None:
            return empty
        limit = np.broadcast_to(chances(self.model.initial_sceptics(self.network)), self.network.n_ids)
        parts = [empty]
        for replicate in replicates.tolist():
            draw = agent_draws(stream(self.random_seed, Purpose.SCEPTICS), agents, replicate)
            found = agents[draw < limit[agents]]
            parts.append(pd.DataFrame({"replicate": replicate, "agent": found}))
        started = pd.concat(parts)
        return started.assign(
            compartment=self.rules.number(self.rules.sceptics), since=0, occasion=0, weight=0, contacts=0
        )

    # -- transmission -------------------------------------------------------------------------------------------

    def attempt(self, contacts: pd.DataFrame, number: int) -> pd.DataFrame:
        """Return contacts with the outcome of each.

        Parameters
        ----------
        contacts : DataFrame
            ``replicate``, ``src``, ``dst``, ``chance``, ``influence``; ``compartment``, ``since`` and ``occasion`` of
            src; ``target`` (compartment) and ``received`` (contacts in earlier rounds) of dst.
        number : int
            The round.

        Returns
        -------
        DataFrame
            And ``success``, ``adds`` and ``added`` (whether it adds, and what), ``target_to`` and ``stop_to``
            (compartments, -1 for none), ``open`` (whether it could ever change anything), ``infector_draw``.
        """
        rules, key = self.rules, (contacts["src"], contacts["dst"], contacts["replicate"])
        trial = (number - contacts["since"] - 1, np.maximum(contacts["occasion"], 1))  # sceptics have none
        draw = edge_draws(stream(self.random_seed, Purpose.TRANSMISSION), *key, *trial).astype(np.int64)
        infector_draw = edge_draws(stream(self.random_seed, Purpose.INFECTOR), *key, *trial).astype(np.int64)
        # 1. Contacts that add, to agents not reached; no draw decides.
        adds = np.full(len(contacts), rules.adds)
        if rules.mixing is not None:
            mixture = agent_draws(stream(self.random_seed, Purpose.MIXING), contacts["dst"], contacts["replicate"])
            adds = mixture >= chances(rules.mixing)
        is_reached = np.isin(contacts["target"], [rules.number(name) for name in rules.reached])
        added = np.where(adds & ~is_reached, contacts["influence"], 0)
        # 2. Contacts that succeed or not.
        hops = np.minimum(contacts["since"].to_numpy(np.int64), FACTORS - 1)
        tired = np.minimum(contacts["received"].to_numpy(np.int64), FACTORS - 1)
        chance = times(contacts["chance"].to_numpy(np.int64), chances(rules.decay**hops))
        chance = times(chance, chances(rules.fatigue**tired))
        success, opened = np.zeros(len(contacts), bool), np.zeros(len(contacts), bool)
        target_to, stop_to = np.full(len(contacts), -1), np.full(len(contacts), -1)
        for contact in rules.contacts:
            of_pair = (contacts["compartment"] == rules.number(contact.source)).to_numpy() & ~adds
            of_pair &= (contacts["target"] == rules.number(contact.target)).to_numpy()
            limit = times(chance, chances(contact.rate)) if contact.by_edge else chances(contact.rate)
            opened |= of_pair & (limit > 0)
            succeeded = of_pair & ((self._meetings(contacts, number) if contact.mutual else draw) < limit)
            success |= succeeded
            stop_to[succeeded] = rules.number(contact.source_to)
            target_to[succeeded] = self._moved_to(contact, contacts[succeeded])
        return contacts.assign(
            success=success,
            adds=adds,
            added=added,
            target_to=target_to,
            stop_to=stop_to,
            open=opened,
            infector_draw=infector_draw,
        )

    def _meetings(self, contacts: pd.DataFrame, number: int) -> npt.NDArray[np.int64]:
        """Return the draws that the contacts of a pair in both directions share in a round."""
        pair = contacts[["src", "dst"]].min(axis=1), contacts[["src", "dst"]].max(axis=1)
        meeting = stream(self.random_seed, Purpose.MEETING)
        return edge_draws(meeting, *pair, contacts["replicate"], number - 1).astype(np.int64)

    def _moved_to(self, contact: Contact, contacts: pd.DataFrame) -> npt.NDArray[Any]:
        to = np.full(len(contacts), self.rules.number(contact.target_to))
        if contact.otherwise is None:
            return to
        draw = agent_draws(stream(self.random_seed, Purpose.BRANCHING), contacts["dst"], contacts["replicate"])
        return np.where(draw < chances(contact.share), to, self.rules.number(contact.otherwise))

    # -- update -------------------------------------------------------------------------------------------------

    def update(self, agents: pd.DataFrame, contacts: pd.DataFrame, stops: pd.DataFrame, number: int) -> pd.DataFrame:
        """Return agents after the round.

        Parameters
        ----------
        agents : DataFrame
            Index (replicate, agent); ``compartment``, ``since``, ``occasion``, ``weight``, ``contacts``: all that are
            not as at the start, and all that something arrived for.
        contacts : DataFrame
            What `attempt` returned, for those agents as dst.
        stops : DataFrame
            Index (replicate, agent); ``stop_to``: agents whose contact made them stop.
        number : int
            The round.

        Returns
        -------
        DataFrame
            The same rows, and ``activated`` and ``infector`` (-1 for none).
        """
        rules, before = self.rules, agents["compartment"].to_numpy()
        is_reached = np.isin(before, [rules.number(name) for name in rules.reached])
        by_agent = [contacts["replicate"], contacts["dst"]]
        agents = agents.assign(
            weight=agents["weight"].add(contacts["added"].groupby(by_agent).sum().reindex(agents.index, fill_value=0)),
            contacts=agents["contacts"].add(contacts.groupby(by_agent).size().reindex(agents.index, fill_value=0)),
        )
        # 1. Arrivals: the contact with the smallest (infector draw, src) decides; or of the compartment listed first.
        counting = contacts[(contacts["success"] & (contacts["target_to"] >= 0)) | (contacts["added"] > 0)]
        order = [*(["compartment"] if rules.first_wins else []), "infector_draw", "src"]
        first = counting.sort_values(order).drop_duplicates(subset=["replicate", "dst"])
        first = first.set_index(["replicate", "dst"])[["src", "target_to", "added"]].reindex(agents.index)
        to = first["target_to"].fillna(-1).to_numpy(np.int64)
        added = first["added"].fillna(0).to_numpy() > 0
        enough = agents["weight"].to_numpy() >= self._thresholds(agents)
        to = np.where(added & ~is_reached & enough, rules.number(rules.seeds), to)
        moved = (to >= 0) & (to != before)
        # 2. Agents that stop, and those that leave by themselves.
        stopped = stops["stop_to"].reindex(agents.index).fillna(-1).to_numpy(np.int64)
        to = np.where(moved, to, stopped)
        staying = to < 0
        for transition in rules.transitions:
            here = staying & (before == rules.number(transition.source))
            if transition.after is not None:
                leaves = (number - agents["since"] >= transition.after).to_numpy()
            else:
                leaves = self._leaving_draw(agents, rules.number(transition.source), number) < chances(
                    transition.probability
                )
            to = np.where(here & leaves, rules.number(transition.to), to)
        changes = (to >= 0) & (to != before)
        activated = changes & np.isin(to, [rules.number(name) for name in rules.reached]) & ~is_reached
        return agents.assign(
            compartment=np.where(changes, to, before),
            since=np.where(changes, number, agents["since"]),
            occasion=agents["occasion"] + activated,
            activated=activated,
            infector=np.where(activated & moved, first["src"].fillna(-1), -1).astype(np.int64),
        )

    def _thresholds(self, agents: pd.DataFrame) -> npt.NDArray[np.int64]:
        replicate, agent = (agents.index.get_level_values(i).to_numpy() for i in (0, 1))
        thresholds = self.model.thresholds(self.network)
        if thresholds.values is not None:
            return thresholds.values[agent]
        draw = agent_draws(stream(self.random_seed, Purpose.THRESHOLD), agent, replicate).astype(np.int64)
        if thresholds.in_degree is None:
            return draw + 1
        share = (draw + 0.5) / 2.0**32
        return np.maximum(np.ceil(share * thresholds.in_degree[agent] - 1e-9), 1).astype(np.int64)

    def _leaving_draw(self, agents: pd.DataFrame, compartment: int, number: int) -> npt.NDArray[np.int64]:
        replicate, agent = (agents.index.get_level_values(i).to_numpy() for i in (0, 1))
        trial = np.maximum(number - agents["since"].to_numpy(np.int64) - 1, 0)
        leaving = stream(self.random_seed, Purpose.TRANSITION, compartment)
        return agent_draws(leaving, agent, replicate, trial, agents["occasion"]).astype(np.int64)
