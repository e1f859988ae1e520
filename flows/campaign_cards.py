"""Cards of campaigns: how they show themselves in notebooks, as requested and as run."""

from collections.abc import Mapping, Sequence
from typing import Any

from data.cards import card
from propagation.result import Reach

SHOWN = 10
"""Most sessions that a card lists."""


class RunSummary(dict[str, Any]):
    """The summary of a finished run: JSON, with a card in notebooks."""

    def _repr_html_(self) -> str:
        sessions = {
            row["session"]: str(
                Reach(row["total_influenced"], row["total_influenced_standard_error"], row["replicates"])
            )
            for row in self["sessions"]
        }
        facts = {
            "network": f"{self['network']}, {self['agents']:,} agents, {self['edges']:,} edges",
            "state": self["status"].replace("_", " "),
            **first_few(sessions),
        }
        return card(f"Campaign {self['campaign']}", facts, steps_after_a_run(self["campaign"]))


def requested_card(name: str, network: str, state: str, sessions: Mapping[str, str], next_steps: Sequence[str]) -> str:
    """Return the card of a campaign that is to be run.

    Parameters
    ----------
    name : str
        The campaign's.
    network : str
        Description of its network.
    state : str
        What is computed already.
    sessions : mapping from str to str
        Description of each session, by its name.
    next_steps : sequence of str
        Expressions that one asks for next.
    """
    return card(f"Campaign {name}", {"network": network, "state": state, **first_few(sessions)}, next_steps)


def first_few(sessions: Mapping[str, str]) -> dict[str, str]:
    """Return the first few sessions as facts of a card, and how many more there are."""
    shown = {f"session {name}": text for name, text in list(sessions.items())[:SHOWN]}
    hidden = len(sessions) - len(shown)
    return {**shown, "sessions": f"and {hidden:,} more"} if hidden else shown


def steps_after_a_run(campaign: str) -> list[str]:
    """Return the expressions that one asks for once a campaign is published."""
    return [f"propagation.results(warehouse, {campaign!r})", f"report(warehouse, 'reach', {campaign!r})"]
