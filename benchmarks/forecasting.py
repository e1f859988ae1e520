"""Features of cascades and a boosted forecast, beside plain pandas and scikit-learn, in one run.

    python -m benchmarks.forecasting --events 1000000 --runs 2

Both sides have the same activations in memory, sorted; both compute the same timing features of the first hour and fit
the same boosted trees to them. Features are compared, and the largest difference of forecasts is reported. Compilation
is excluded. Ours also measures the trees of infectors, whose plain version would be a loop.
"""

import argparse
import statistics
from typing import Any

import numpy as np
import pandas as pd

from analytics.forecasting.estimators import Estimator, fit_size
from analytics.forecasting.features import cascade_features
from analytics.forecasting.fitted import logarithms
from analytics.forecasting.stored_trees import load_trees
from benchmarks import machine
from benchmarks.measurements import timed
from data.cascades.cleaning import observed_cascades
from data.cascades.observed_cascades import ObservedCascades

WINDOW = 3600.0
TIMING = (
    "size_so_far", "growth_1", "growth_2", "growth_3", "growth_4", "half_time", "time_since_last", "mean_gap",
    "gap_deviation",
)  # fmt: skip


def generated(events: int) -> ObservedCascades:
    """Return cascades with heavy-tailed sizes and trees, about so many activations in all."""
    draws = np.random.default_rng(1)
    sizes = np.minimum((20 * draws.pareto(1.5, events // 50) + 3).astype(int), 20_000)
    sizes = sizes[np.cumsum(sizes) <= events]
    order = np.concatenate([np.arange(size) for size in sizes])
    times = np.where(order == 0, 0.0, draws.exponential(4000.0, len(order)))
    rows = pd.DataFrame(
        {
            "cascade": np.repeat(np.arange(len(sizes)), sizes),
            "agent": order,
            "time": times,
            "infector": np.where(order == 0, pd.NA, 0),
        }
    )
    return observed_cascades("generated", rows).cascades


def plain_features(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the timing features of rows of cascade and time, sorted by both, in pandas."""
    seen = rows[rows["time"] <= WINDOW].copy()
    by = seen.groupby("cascade", sort=True)["time"]
    gaps = by.diff()
    quarters = np.minimum((4 * seen["time"] / WINDOW).astype(int), 3)
    growth = pd.crosstab(seen["cascade"], quarters).reindex(columns=range(4), fill_value=0)
    counts = by.size()
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    spread = gaps.groupby(seen["cascade"])
    frame = pd.DataFrame({"size_so_far": counts})
    for quarter in range(4):
        frame[f"growth_{quarter + 1}"] = growth[quarter]
    frame["half_time"] = seen["time"].to_numpy()[firsts + (counts.to_numpy() - 1) // 2]
    frame["time_since_last"] = WINDOW - by.last()
    frame["mean_gap"], frame["gap_deviation"] = spread.mean(), spread.std(ddof=0)
    return frame.astype(float)


def plain_fit(features: np.ndarray, growth: np.ndarray, ours: Estimator) -> Any:
    """Return scikit-learn's trees with the settings of ours, fitted as it comes."""
    from sklearn.base import clone

    return clone(load_trees(ours.trees or b"")).fit(features, growth)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.forecasting",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    cascades = generated(options.events)
    rows = pd.DataFrame({"cascade": cascades.cascades, "time": cascades.times})
    # 1. Features, compared.
    ours, theirs = cascade_features(cascades, window=WINDOW), plain_features(rows)
    for name in TIMING:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, atol=1e-6, err_msg=name)
    load = machine.load()
    pairs = [
        (timed(lambda: cascade_features(cascades, window=WINDOW))[0], timed(lambda: plain_features(rows))[0])
        for _ in range(options.runs)
    ]
    # 2. Boosted trees, compared.
    x, size = np.nan_to_num(logarithms(ours, TIMING)), cascades.sizes.astype(float)
    so_far = ours["size_so_far"].to_numpy()
    fit_size("boosting", x[:100], so_far[:100], size[:100])  # imports
    our_fit, fitted = timed(lambda: fit_size("boosting", x, so_far, size))
    their_fit, trees = timed(lambda: plain_fit(x, np.log(size / so_far), fitted))
    apart = np.abs(np.clip(trees.predict(x), 0.0, fitted.limit) - fitted.growth(x, so_far)).max()
    print(f"{cascades.activations:,} activations in {len(cascades):,} cascades; {machine.described(['scikit-learn'])}.")
    print(f"Load before: {load}; after: {machine.load()}. Largest difference of forecast logarithms: {apart:.2g}.")
    print("\n| seconds | Rumormill | pandas, scikit-learn | ratio |\n| --- | --- | --- | --- |")
    one, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"| features (ours: with trees) | {one:.3f} | {other:.3f} | {other / one:.1f} |")
    print(f"| boosted trees, stored | {our_fit:.2f} | {their_fit:.2f} | {their_fit / our_fit:.1f} |")


if __name__ == "__main__":
    main()
