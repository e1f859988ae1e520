"""Which cascades a model is tested on, and folds of the others: by chance, in time, or by first agent."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInputError
from data.validation import suggestion

Positions = npt.NDArray[np.int64]

SPLITS = ("random", "last", "first_agent")
"""How test cascades are kept apart."""
FOLDS = 5
FEWEST = 20
"""Fewest cascades to fit a model to, and to test it on."""


def check_split(split: str, test_share: float) -> None:
    """Refuse an unknown split, or a share that leaves nothing to fit or to test.

    Raises
    ------
    InvalidInputError
    """
    if split not in SPLITS:
        raise InvalidInputError(f"split {split!r} is unknown{suggestion(split, SPLITS)}; give {', '.join(SPLITS)}")
    if not 0 < test_share < 1:
        raise InvalidInputError(f"test_share is {test_share}; give the share of cascades to test on, between 0 and 1")


def train_and_test(
    split: str, first_agents: npt.NDArray[np.int32], sets: Positions, test_share: float, random_seed: int
) -> tuple[Positions, Positions]:
    """Return the positions of training and test cascades, ascending.

    Parameters
    ----------
    split : str
        ``random``; ``last``: the last of each set, for sources in order of time; ``first_agent``: by chance, but all
        cascades that begin with the same agent on the same side.
    first_agents : (n_cascades,) int32
        Agent that each cascade begins with.
    sets : (n_cascades,) int64
        Number of the set that each cascade is of.
    test_share : float
    random_seed : int

    Raises
    ------
    InvalidInputError
        If either side has fewer than `FEWEST` cascades.
    """
    from sklearn.model_selection import GroupShuffleSplit

    n = len(first_agents)
    if split == "last":
        is_last = ranks(sets) >= np.round((1.0 - test_share) * np.bincount(sets)[sets])
        train, test = np.flatnonzero(~is_last), np.flatnonzero(is_last)
    else:
        groups = first_agents if split == "first_agent" else np.arange(n)
        if len(np.unique(groups)) < FOLDS + 1:
            hint = " (they begin with the same few agents: split at random instead)" if n > FEWEST else ""
            raise InvalidInputError(_too_few(n, 0, 0) + hint)
        chosen = GroupShuffleSplit(n_splits=1, test_size=test_share, random_state=random_seed)
        train, test = (np.sort(side) for side in next(chosen.split(groups, groups=groups)))
    if min(len(train), len(test)) < FEWEST:
        raise InvalidInputError(_too_few(n, len(train), len(test)))
    return train.astype(np.int64), test.astype(np.int64)


def ranks(sets: Positions) -> Positions:
    """Return the position of each cascade among those of its set, from 0."""
    order = np.argsort(sets, kind="stable")
    found = np.empty(len(sets), np.int64)
    starts = np.cumsum(np.bincount(sets)) - np.bincount(sets)
    found[order] = np.arange(len(sets)) - starts[sets[order]]
    return found


def _too_few(n: int, train: int, test: int) -> str:
    return (
        f"{n:,} cascades can be forecast from this observation, {train:,} of them to fit and {test:,} to test; at "
        f"least {FEWEST} each are needed: observe less of each cascade, or give more cascades"
    )


def folds(
    split: str, first_agents: npt.NDArray[np.int32], sets: Positions, random_seed: int
) -> Iterator[tuple[Positions, Positions]]:
    """Yield training and held-out positions of each fold of cross-validation within the training cascades.

    With ``last``, a fold is a block of consecutive cascades of each set, so that the neighbours of a held-out cascade
    are held out as well; otherwise folds are made as the test cascades are chosen.
    """
    from sklearn.model_selection import GroupKFold, KFold

    n = len(first_agents)
    if split == "last":
        block = (ranks(sets) * FOLDS // np.bincount(sets)[sets] + sets) % FOLDS  # also of sets of one cascade each
        yield from ((np.flatnonzero(block != each), np.flatnonzero(block == each)) for each in np.unique(block))
        return
    if split == "first_agent" and len(np.unique(first_agents)) >= FOLDS:
        yield from GroupKFold(FOLDS).split(np.arange(n), groups=first_agents)
    else:
        yield from KFold(FOLDS, shuffle=True, random_state=random_seed).split(np.arange(n))
