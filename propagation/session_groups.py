"""Sessions that run alike: those that share everything kernels depend on and differ in seeds and replicates only."""

from collections.abc import Hashable, Sequence

from propagation.sessions import Session


def run_key(session: Session) -> Hashable:
    """Return what sessions of one network share if their lanes can run together."""
    return (
        session.model,
        session.random_seed,
        session.max_rounds,
        session.record,
        session.blocked,
        session.blocked_edges,
    )


def sessions_alike(sessions: Sequence[Session]) -> list[list[Session]]:
    """Return the sessions in groups that run alike, in the order of each group's first session."""
    groups: dict[Hashable, list[Session]] = {}
    for session in sessions:
        groups.setdefault(run_key(session), []).append(session)
    return list(groups.values())
