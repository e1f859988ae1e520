"""Cascades that grow by a planted law, and what fits a forecast to them in a moment."""

import numpy as np
import pandas as pd

from data.cascades.cleaning import observed_cascades

QUICK = {"size_estimators": ("linear",), "outcome_estimators": ("logistic",)}


def planted(cascades=160, seed=1, name="planted"):
    """Cascades whose final size is about the size so far, times e to the power of the rate at the end of an hour."""
    draws, rows = np.random.default_rng(seed), []
    for cascade in range(cascades):
        early = 10 + int(draws.integers(0, 60))
        late_share = draws.random()
        times = np.sort(
            np.where(draws.random(early) < late_share, draws.uniform(45, 60, early), draws.uniform(0, 15, early))
        )
        times[0] = 0.0
        further = round(early * np.expm1(1.5 * late_share) * float(np.exp(draws.normal(0.0, 0.05))))
        every = np.concatenate([times, draws.uniform(61, 600, further)])
        rows += [(f"c{cascade}", f"a{cascade % 40}" if i == 0 else f"b{i}", t) for i, t in enumerate(every)]
    return observed_cascades(
        name, pd.DataFrame(rows, columns=["cascade", "agent", "time"]), time_unit="minutes"
    ).cascades
