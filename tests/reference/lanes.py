"""What a textbook model is given, and the rows its lane leaves."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property

from tests.reference import draws


@dataclass(frozen=True)
class Network:
    """Distinct directed edges among agents 0 to n - 1, with attributes of both."""

    n_agents: int
    edges: tuple
    edge_columns: dict = field(default_factory=dict)
    """Values by (src, dst), by name."""
    agent_columns: dict = field(default_factory=dict)
    """Values by agent, by name."""
    strength: str | None = None
    """The edge column that is the strength."""
    probability: str | None = None
    """The edge column that is the probability."""

    @cached_property
    def out_neighbours(self):
        found = defaultdict(list)
        for src, dst in sorted(self.edges):
            found[src].append(dst)
        return found

    @cached_property
    def in_neighbours(self):
        found = defaultdict(list)
        for src, dst in sorted(self.edges):
            found[dst].append(src)
        return found

    def in_degree(self, agent):
        return len(self.in_neighbours[agent])


class Coins:
    """The draws of one lane: 32-bit numbers that depend on nothing but what they decide."""

    def __init__(self, random_seed, replicate):
        self.random_seed = random_seed
        self.replicate = replicate

    def contact(self, src, dst, trial=0, occasion=1):
        return draws.edge_draw(self.random_seed, draws.TRANSMISSION, src, dst, self.replicate, trial, occasion)

    def infector(self, src, dst, trial=0, occasion=1):
        return draws.edge_draw(self.random_seed, draws.INFECTOR, src, dst, self.replicate, trial, occasion)

    def meeting(self, one, other, number):
        """What decides about a pair in a round, whoever of them contacts the other."""
        pair = min(one, other), max(one, other)
        return draws.edge_draw(self.random_seed, draws.MEETING, *pair, self.replicate, number - 1)

    def threshold(self, agent):
        return draws.agent_draw(self.random_seed, draws.THRESHOLD, agent, self.replicate)

    def transition(self, agent, compartment, trial, occasion):
        return draws.agent_draw(
            self.random_seed, draws.TRANSITION, agent, self.replicate, trial, occasion, variant=compartment
        )

    def branching(self, agent):
        return draws.agent_draw(self.random_seed, draws.BRANCHING, agent, self.replicate)

    def mixing(self, agent):
        return draws.agent_draw(self.random_seed, draws.MIXING, agent, self.replicate)

    def sceptic(self, agent):
        return draws.agent_draw(self.random_seed, draws.SCEPTICS, agent, self.replicate)


class Lane:
    """The rows of one lane, round by round."""

    def __init__(self, seeds):
        self.activations = [(seed, 0, None, 1) for seed in seeds]
        """(agent, round, infector, occasion), the infector None for seeds."""
        self.contacts = []
        """(round, src, dst, "received" | "ignored" | "sent")."""
        self.infectious = [len(seeds)]
        """How many agents counted as reached and transmitted at the end of each round, from round 0."""
        self.truncated = False
        """Whether something could still change after the last round allowed."""
        self.messages = {}
        """The message that each agent adopted, where messages compete."""
        self._occasions = Counter(seeds)

    def contact(self, number, src, dst, event):
        self.contacts.append((number, src, dst, event))

    def activate(self, agent, number, infector):
        self._occasions[agent] += 1
        self.activations.append((agent, number, infector, self._occasions[agent]))

    def end_round(self, infectious):
        self.infectious.append(infectious)

    def occasion(self, agent):
        """How often the agent has been activated; 1 for those who never were, such as sceptics."""
        return max(1, self._occasions[agent])

    @property
    def rounds(self):
        return len(self.infectious) - 1

    @property
    def depth(self):
        return max(number for _, number, _, _ in self.activations)

    @property
    def new(self):
        """Activations of each round, from round 0."""
        return self._by_round(self.activations)

    @property
    def reached(self):
        """Distinct agents reached up to each round, from round 0."""
        first = self._by_round(row for row in self.activations if row[3] == 1)
        return [sum(first[: number + 1]) for number in range(len(first))]

    def _by_round(self, activations):
        counts = Counter(number for _, number, _, _ in activations)
        return [counts[number] for number in range(self.rounds + 1)]
