"""`simulate` and `simulate_many`: compute sessions, or load their published results."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from data.errors import InvalidInputError, UnknownAgentError
from data.networks.network import Network
from data.progress import Progress, shown
from data.validation import checked_name, suggestion
from propagation import planner
from propagation.campaign_records import publish_campaign
from propagation.cancellation import StopFlag
from propagation.jobs import Execution, SessionResults, run_sessions
from propagation.models.model import Model
from propagation.plans import PlanChoice
from propagation.precision import checked_precision, precise_sessions
from propagation.result import Result
from propagation.sessions import MAX_ROUNDS, Record, Session, resolve_session

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client

SHOWN_SESSIONS = 20
"""Sessions that a notebook shows of many."""
FIELDS = (
    "model",
    "seed_set",
    "replicates",
    "random_seed",
    "record",
    "max_rounds",
    "first_replicate",
    "blocked",
    "blocked_edges",
    "precision",
)
"""Keywords that specify a session, or how precise it is to be."""
REPLICATES = 1000
"""Replicates of a session for which neither their number nor a precision is given."""


def simulate(
    network: Network,
    model: Model,
    *,
    seed_set: Any,
    replicates: int | None = None,
    random_seed: int = 0,
    record: Record = "rounds",
    max_rounds: int = MAX_ROUNDS,
    first_replicate: int = 0,
    blocked: Sequence[Any] = (),
    blocked_edges: Sequence[tuple[Any, Any]] = (),
    precision: float | str | None = None,
    plan: PlanChoice = "auto",
    client: "Client | None" = None,
    publish: bool = True,
    again: bool = False,
    progress: Progress | None = None,
    stop: StopFlag | None = None,
) -> Result:
    """Simulate one session: how a message spreads from a seed set, over independent replicates.

    Parameters
    ----------
    network : Network
        From ``warehouse.network(name)`` or ``warehouse.import_network(...)``.
    model : Model
        Such as ``IndependentCascade(probability="weighted_cascade")``.
    seed_set : sequence of agent ids, or SeedStrategy; or a mapping of these
        Seeds by original id, or a strategy such as ``propagation.seeding.DegreeDiscount(budget=50)``. With
        `CompetingCascades`, the seeds of each message: ``{"rumour": ["ann"], "correction": TopOutDegree(budget=5)}``.
    replicates : int, optional
        Independent replicates; default: 1000, or as many as `precision` needs.
    random_seed : int
        Random seed of all draws; sessions with the same random seed use common random numbers.
    record : str
        ``rounds``, ``reach``, ``activations`` or ``contacts``; each includes those before it.
    max_rounds : int
        Last round in which agents may be activated.
    first_replicate : int
        Number of the first replicate: consecutive ranges of replicates are parts of one larger session.
    blocked : sequence of agent ids
        Agents that cannot be reached.
    blocked_edges : sequence of (agent id, agent id)
        Edges (source, target) that pass nothing on.
    precision : float or str, optional
        Run as many replicates as it takes until the 95 % interval of the mean reach is at most this share of the mean
        to either side, such as 0.01 or ``"1%"``: see `propagation.precision`. The rows are those of a session with that
        many replicates.
    plan : str
        ``auto``, ``broadcast``, ``partitioned`` or ``reference``; never changes the rows.
    client : distributed.Client, optional
        Cluster to run on; default: threads of this process, for jobs of less than 0.1 s without Dask.
    publish : bool
        Publish in the network's warehouse, or load the session if it is already published. False always
        computes and keeps the rows in memory.
    again : bool
        Recompute a published session and compare.
    progress : Progress, optional
        Called with the number of replicates done; default: bars in terminals and notebooks, after two seconds.
    stop : StopFlag, optional
        Such as a `threading.Event`: once it is set, the run is cancelled.

    Returns
    -------
    Result

    Raises
    ------
    InvalidInputError, UnknownAgentError
        If a value breaks its rule, before any work.
    InsufficientMemoryError
        If the job cannot fit.
    RowsDifferError
        If rows recomputed by `again` differ from the published ones.
    RunCancelledError
        If the run was interrupted by Ctrl-C, SIGTERM or its stop flag; nothing was published.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> from propagation.models import IndependentCascade
    >>> friends = pd.DataFrame({"source": ["ann", "bob"], "target": ["bob", "cy"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("friends", friends)
    >>> simulate(network, IndependentCascade(probability=1.0), seed_set=["ann"], replicates=2).reach.mean
    3.0
    """
    _check_execution(plan, client)
    session, asked = _resolved(
        network,
        {
            "model": model,
            "seed_set": seed_set,
            "replicates": replicates,
            "random_seed": random_seed,
            "record": record,
            "max_rounds": max_rounds,
            "first_replicate": first_replicate,
            "blocked": blocked,
            "blocked_edges": blocked_edges,
            "precision": precision,
        },
    )
    with shown(progress) as watched:
        execution = Execution(plan, client, watched, stop)
        (session,) = precise_sessions(network, [session], [asked], execution)
        return run_sessions(network, [session], execution, publish=publish, again=again)[session.session_id]


class ManyResults(Mapping[str, Result]):
    """Results of many sessions, by the caller's names; rows are read on access.

    Parameters
    ----------
    sessions : mapping
        Sessions by name.
    results : SessionResults
        Their results.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> from propagation.models import IndependentCascade
    >>> friends = pd.DataFrame({"source": ["ann", "bob"], "target": ["bob", "cy"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("friends", friends)
    >>> sets = {"early": {"seed_set": ["ann"]}, "late": {"seed_set": ["bob"]}}
    >>> many = simulate_many(network, sets, model=IndependentCascade(probability=1.0), replicates=2)
    >>> many.reach["reach"].to_dict()
    {'early': 3.0, 'late': 2.0}
    >>> many["late"].rounds["new_infections"].to_list()
    [1.0, 1.0, 0.0]
    """

    def __init__(self, sessions: Mapping[str, Session], results: SessionResults) -> None:
        self.sessions = dict(sessions)
        self._results = results

    def __getitem__(self, name: str) -> Result:
        """Return the result of a session."""
        return self._results[self.sessions[name].session_id]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self.sessions)

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self.sessions)

    def __repr__(self) -> str:
        return f"ManyResults({len(self)} sessions; see .reach)"

    def _repr_html_(self) -> str:
        best = self.reach.sort_values("reach", ascending=False).head(SHOWN_SESSIONS)
        shown = f"the {len(best)} of {len(self):,} sessions with the largest reach" if len(self) > len(best) else ""
        return f"<b>{len(self):,} sessions</b> {shown}{best.to_html()}"

    @cached_property
    def reach(self) -> "pd.DataFrame":
        """One row per session, by its name: session_id, reach (mean, agents), reach_standard_error, replicates."""
        import pandas as pd

        rows = [self._results.row(session.session_id) for session in self.sessions.values()]
        columns = {
            "session_id": [row["session_id"] for row in rows],
            "reach": [row["total_influenced"] for row in rows],
            "reach_standard_error": [row["total_influenced_standard_error"] for row in rows],
            "replicates": [row["replicates"] for row in rows],
        }
        frame = pd.DataFrame(columns, index=pd.Index(list(self.sessions), name="session"))
        return frame.astype({"reach": "float64", "reach_standard_error": "float64", "replicates": "int64"})


def simulate_many(
    network: Network,
    sessions: Mapping[str, Session | Mapping[str, Any]],
    *,
    campaign: str | None = None,
    plan: PlanChoice = "auto",
    client: "Client | None" = None,
    publish: bool = True,
    again: bool = False,
    progress: Progress | None = None,
    stop: StopFlag | None = None,
    **common: Any,
) -> ManyResults:
    """Simulate many sessions on one network as one job: thousands of seed sets or parameter sets.

    Long jobs publish their finished sessions about every half minute; running a cancelled or killed job again
    computes only the missing sessions. Models that need different plans run as several jobs.

    Parameters
    ----------
    network : Network
    sessions : mapping
        Sessions by name: keywords of `simulate` (``{"model": ..., "seed_set": ...}``), or a `Session`.
    campaign : str, optional
        Publish the sessions also as a campaign of this name, so that reports and `propagation.results` find them.
    plan, client, publish, again, progress, stop
        As for `simulate`, for all sessions.
    **common
        Default keywords of the sessions, such as ``model`` or ``replicates``.

    Returns
    -------
    ManyResults
        ``.reach`` has one row per session with its mean reach and standard error; ``["name"]`` is a session's result.

    Raises
    ------
    InvalidInputError, UnknownAgentError
        If a value breaks its rule, before any work; the message names the session.
    InsufficientMemoryError, RowsDifferError
        As `simulate`.
    RunCancelledError
        If the run was interrupted; published sessions are kept.

    Examples
    --------
    See `ManyResults`.
    """
    _check_execution(plan, client)
    _check_fields(common)
    if campaign is not None:
        _check_campaign(campaign, sessions, publish=publish)
    started_at = dt.datetime.now(dt.UTC)
    named = {name: _named(name, network, asked, common) for name, asked in sessions.items()}
    with shown(progress) as watched:
        execution = Execution(plan, client, watched, stop)
        precise = precise_sessions(network, *_columns(named.values()), execution)
        resolved = dict(zip(named, precise, strict=True))
        results = run_sessions(network, list(resolved.values()), execution, publish=publish, again=again)
    if campaign is not None:
        given = {name: {**common, **asked} for name, asked in sessions.items() if not isinstance(asked, Session)}
        seed_sets = {name: fields["seed_set"] for name, fields in given.items()}
        publish_campaign(network, campaign, list(resolved.items()), seed_sets, started_at)
    return ManyResults(resolved, results)


def _check_campaign(campaign: str, sessions: Mapping[str, Any], *, publish: bool) -> None:
    """Raise InvalidInputError unless these sessions can be published as a campaign of this name."""
    if not publish:
        raise InvalidInputError(f"campaign {campaign!r} cannot be kept with publish=False; leave one of them out")
    if not sessions:
        raise InvalidInputError(f"campaign {campaign!r} has no sessions; give at least one")
    for kind, name in (("campaign", campaign), *(("session", name) for name in sessions)):
        if not isinstance(name, str):
            raise InvalidInputError(f"{kind} {name!r}: a name in a campaign is text, such as {str(name)!r}")
        try:
            checked_name(name)
        except ValueError as error:
            raise InvalidInputError(f"name of {kind}: {error}") from None


def _check_execution(plan: Any, client: Any) -> None:
    planner.check_plan(plan)
    if not (client is None or hasattr(client, "nthreads")):
        raise InvalidInputError(
            f"client {client!r} is not a distributed.Client; give one, or None for threads of this process"
        )


def _check_fields(fields: Mapping[str, Any], needed: Sequence[str] = ()) -> None:
    for name in fields:
        if name not in FIELDS:
            raise InvalidInputError(f"a session has no {name!r}{suggestion(name, FIELDS)}; it has {', '.join(FIELDS)}")
    for name in needed:
        if name not in fields:
            raise InvalidInputError(f"{name} is missing; give it to the session, or to all")


def _named(
    name: str, network: Network, asked: Session | Mapping[str, Any], common: Mapping[str, Any]
) -> tuple[Session, float | None]:
    """Return the session of a name, and its precision; error messages begin with the name."""
    if isinstance(asked, Session):
        if asked.snapshot_id != network.snapshot_id:
            raise InvalidInputError(f"session {name!r} is of another network than {network!r}; resolve it on this one")
        return asked, None
    try:
        fields = {**common, **asked}
        _check_fields(fields, needed=("model", "seed_set"))
        return _resolved(network, fields)
    except (InvalidInputError, UnknownAgentError) as error:
        raise type(error)(f"session {name!r}: {error}") from error


def _columns(pairs: Iterable[tuple[Session, float | None]]) -> tuple[list[Session], list[float | None]]:
    """Return sessions, and their precisions."""
    both = list(pairs)
    return [session for session, _ in both], [precision for _, precision in both]


def _resolved(network: Network, fields: Mapping[str, Any]) -> tuple[Session, float | None]:
    """Return the session specified by keywords (`FIELDS`), and the precision that decides its replicates, if any."""
    others = {name: value for name, value in fields.items() if name not in ("model", "precision", "replicates")}
    replicates, precision = fields.get("replicates"), fields.get("precision")
    if precision is not None:
        if replicates is not None:
            raise InvalidInputError(
                f"replicates {replicates!r} and precision {precision!r} are both given; leave out replicates: a "
                "precision decides how many there are"
            )
        precision = checked_precision(precision)
    replicates = REPLICATES if replicates is None else replicates
    return resolve_session(network, fields["model"], replicates=replicates, **others), precision
