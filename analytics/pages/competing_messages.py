"""What a page tells about competing messages, one by one: their reach, their curves, and differences of sessions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analytics.intervals import comparisons, with_interval
from analytics.labels import shortened
from analytics.pages.page_tables import Column, PageTable
from analytics.pages.pictures import adoption_picture
from analytics.pages.svg import Picture
from propagation.result import Result

ByMessage = Mapping[str, Mapping[str, Result]]
"""Results by the name of the message, then by that of the session."""
MOST_MESSAGES = 6
"""Messages with curves on a page: as many as may compete in one session."""


@dataclass(frozen=True)
class CompetingMessages:
    """The part of a page about competing messages.

    Attributes
    ----------
    reach : PageTable
        One row per message and session.
    curves : list of Picture
        The adoption curves of each message.
    differences : PageTable or None
        One row per message and pair of sessions; None if no message spreads in two.
    """

    reach: PageTable
    curves: list[Picture]
    differences: PageTable | None


def competing_messages(by_message: ByMessage, sessions: Sequence[str]) -> CompetingMessages | None:
    """Return what a page tells about competing messages; None if there are none.

    Parameters
    ----------
    by_message : mapping
        As from `propagation.competing_messages.results_by_message`.
    sessions : sequence of str
        The sessions that are drawn, in the order of their colours.
    """
    if not by_message:
        return None
    return CompetingMessages(
        _reach_table(by_message), list(_curves(by_message, sessions)), _difference_table(by_message)
    )


def _reach_table(by_message: ByMessage) -> PageTable:
    rows = [
        [message, session, with_interval(result.reach), f"{100 * result.reach.mean / result.network.n_agents:,.2f} %"]
        for message, own in by_message.items()
        for session, result in own.items()
    ]
    headings = [Column("message", is_number=False), Column("session", is_number=False)]
    return PageTable("Reach by message", "rows", [*headings, Column("reach, agents"), Column("share of network")], rows)


def _curves(by_message: ByMessage, sessions: Sequence[str]) -> Iterator[Picture]:
    for number, (message, own) in enumerate(list(by_message.items())[:MOST_MESSAGES], 1):
        if drawn := {session: own[session] for session in sessions if session in own}:
            title = f"Agents reached by {shortened(message)}"
            yield adoption_picture(drawn, f"adoption-of-{number}", title=title, sessions=sessions)


def _difference_table(by_message: ByMessage) -> PageTable | None:
    verdicts = {True: "yes", False: "no", None: "unknown"}
    rows = [
        [message, pair.first, pair.second, with_interval(pair.lead), verdicts[pair.is_beyond_chance]]
        for message, own in by_message.items()
        for pair in comparisons(own)
    ]
    headings = [Column(name, is_number=False) for name in ("message", "session", "compared with")]
    columns = [*headings, Column("more agents"), Column("beyond chance", is_number=False)]
    return PageTable("Differences between sessions by message", "pairs", columns, rows) if rows else None
