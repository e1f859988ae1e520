"""Labels of figures: names short enough to be written, and positions at which they do not overlap."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

NAME_LENGTH = 26
"""Characters of a session's name shown in figures."""


def shortened(name: str, length: int = NAME_LENGTH) -> str:
    """Return a name on one line of at most `length` characters.

    Examples
    --------
    >>> shortened("degree discount"), shortened("a name that does not end", 10)
    ('degree discount', 'a name th…')
    """
    name = " ".join(name.split())
    return name if len(name) <= length else f"{name[: length - 1].rstrip()}…"


def short_names(names: Sequence[str], length: int = NAME_LENGTH) -> dict[str, str]:
    """Return names on one line of at most `length` characters, different ones for different names.

    Names that begin alike lose their middle instead of their end; a number is added to those that still look alike.

    Examples
    --------
    >>> list(short_names(["probability 0.1", "probability 0.2"], 10).values())
    ['prob…y 0.1', 'prob…y 0.2']
    """
    found: dict[str, str] = {}
    ends = Counter(shortened(name, length) for name in names)
    taken = set()
    for name in names:
        short = shortened(name, length)
        label = short if ends[short] == 1 else _without_middle(name, length)
        if label in taken:
            number = f" ({len(found) + 1})"
            label = f"{shortened(name, length - len(number))}{number}"
        taken.add(label)
        found[name] = label
    return found


def _without_middle(name: str, length: int) -> str:
    name = " ".join(name.split())
    if len(name) <= length:
        return name
    tail = length // 2
    return f"{name[: length - 1 - tail]}…{name[-tail:]}"


def spread(places: Sequence[float], gap: float) -> npt.NDArray[np.float64]:
    """Move positions in [0, 1] as little as possible, so that neighbours are at least `gap` apart.

    Parameters
    ----------
    places : sequence of float
    gap : float
        Reduced if not all positions fit.

    Returns
    -------
    (k,) float64

    Examples
    --------
    >>> spread([0.5, 0.1, 0.5], gap=0.2).round(3).tolist()
    [0.4, 0.1, 0.6]
    """
    from scipy.optimize import isotonic_regression

    gap = min(gap, 1 / max(1, len(places) - 1))
    order = np.argsort(places, kind="stable")
    steps = gap * np.arange(len(places))
    # With the gaps subtracted, "at least `gap` apart" means non-decreasing, which is isotonic regression.
    level = isotonic_regression(np.asarray(places)[order] - steps).x
    moved = np.empty(len(places))
    moved[order] = np.clip(level, 0.0, 1.0 - steps[-1]) + steps
    return moved
