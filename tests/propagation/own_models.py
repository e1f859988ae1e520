"""Models as users write them, a network to run them on, and their sessions."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from data import Network
from propagation.models import PandasModel, Probability
from propagation.sessions import Session, resolve_session


class OwnCascade(PandasModel):
    """The independent cascade, once more."""

    name: ClassVar[str] = "own_cascade"
    compartments = ("susceptible", "active", "inactive")
    seeds = "active"
    transmitting = ("active",)
    reached = ("active", "inactive")

    probability: Probability = 0.4

    def transmit(self, contacts: pd.DataFrame, draws: Any) -> Any:
        return (contacts["dst_compartment"] == "susceptible") & (draws("transmission") < self.probability)

    def update(self, agents: pd.DataFrame, arrivals: pd.DataFrame, draws: Any) -> Any:
        reached = (agents["compartment"] == "susceptible") & (arrivals["successes"] > 0)
        spent = agents["compartment"] == "active"
        return agents["compartment"].mask(reached, "active").mask(spent, "inactive")


class Reinforcement(PandasModel):
    """Active once `neighbours` in-neighbours were; counts them in its memory."""

    name: ClassVar[str] = "reinforcement"
    compartments = ("inactive", "newly_active", "active")
    seeds = "newly_active"
    transmitting = ("newly_active",)
    reached = ("newly_active", "active")
    memory: ClassVar[dict[str, float]] = {"heard": 0}

    neighbours: int = 2

    def transmit(self, contacts: pd.DataFrame, draws: Any) -> Any:
        return np.where(contacts["dst_compartment"] == "inactive", 1, 0)

    def update(self, agents: pd.DataFrame, arrivals: pd.DataFrame, draws: Any) -> Any:
        heard = agents["heard"] + arrivals["total"]
        enough = (agents["compartment"] == "inactive") & (heard >= self.neighbours)
        compartment = np.select(
            [enough, agents["compartment"] == "newly_active"], ["newly_active", "active"], agents["compartment"]
        )
        return pd.DataFrame({"compartment": compartment, "heard": heard}, index=agents.index)


class Loud(OwnCascade):
    """Uses everything: columns, memory of both ends, draws of agents, numbers of several names."""

    name: ClassVar[str] = "loud"
    compartments = ("calm", "loud", "tired")
    seeds = "loud"
    transmitting = ("loud",)
    reached = ("loud",)
    waiting = ("tired",)
    edge_columns = ("weight",)
    agent_columns = ("age",)
    memory: ClassVar[dict[str, float]] = {"noise": 0.5}
    carries = ("near", "far")

    def transmit(self, contacts, draws):
        heard = draws("heard") < self.probability * (0.5 + contacts["weight"])
        near = (contacts["source_age"] - contacts["target_age"]).abs() < 8
        return pd.DataFrame({"near": heard & near, "far": 0.3 * contacts["source_noise"] * (heard & ~near)})

    def update(self, agents, arrivals, draws):
        noise = 0.9 * agents["noise"] + arrivals["near"] + 0.1 * arrivals["far"]
        wakes = (agents["compartment"] == "calm") & (noise > 1.0 + 0.02 * agents["age"])
        tires = (agents["compartment"] == "loud") & (draws("tires") < 0.5)
        rests = (agents["compartment"] == "tired") & (draws("rests") < 0.3)
        to = agents["compartment"].mask(wakes, "loud").mask(tires, "tired").mask(rests, "calm")
        return pd.DataFrame({"compartment": to, "noise": noise})


EDGES = [
    *[(i, (i * i + 1) % 23) for i in range(23) if i != (i * i + 1) % 23],
    *[(i, (i + 1) % 23) for i in range(23)],
    *[(i, (i * 5 + 3) % 23) for i in range(23) if i != (i * 5 + 3) % 23],
]
EDGES = sorted(set(EDGES))


def publish_attributed(publish: Callable[..., Network], partitions: int) -> Network:
    """Publish agents 0 to 22 with an attribute of edges and one of agents."""
    return publish(
        EDGES,
        23,
        partitions=partitions,
        attributes={"weight": [0.25 * (i % 4) for i in range(len(EDGES))]},
        agent_attributes={"age": [float(i) for i in range(23)]},
    )


def session_of(network: Network, model: Any, seeds: Any = ("0", "5"), **options: Any) -> Session:
    options = {"replicates": 5, "random_seed": 3, "record": "contacts", "max_rounds": 40, **options}
    return resolve_session(network, model, seed_set=list(seeds), **options)


def rows_of(ordered: Any, result: Any, table: str) -> pd.DataFrame:
    """Rows of one table, to be compared with another session's."""
    return ordered(result, table).drop(columns="session_id")
