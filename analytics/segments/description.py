"""What segments are like: the features that stand out, and a name that says so."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.segments.clustering import Clustering
from analytics.segments.features import Features

STANDS_OUT = 0.5
"""Distance from the mean of all agents, in standard deviations, from which a feature stands out."""
NAMED = 2
"""Features that a name mentions, those that stand out most; more if two segments had the same name."""
WORDS = {
    "in_degree": ("follows many", "follows few"),
    "out_degree": ("many followers", "few followers"),
    "pagerank": ("high PageRank", "low PageRank"),
    "core_number": ("in the core", "at the periphery"),
    "local_clustering": ("close-knit", "loosely knit"),
    "triangles": ("many triangles", "few triangles"),
    "betweenness": ("between others", "rarely between others"),
    "reach_probability": ("often reached", "rarely reached"),
    "mean_round": ("reached late", "reached early"),
    "cascades": ("often active", "rarely active"),
    "cascades_started": ("starts many cascades", "starts few cascades"),
    "mean_position": ("joins late", "joins early"),
    "activated": ("activates many", "activates few"),
}
"""What a high and a low value of a feature are called. Edges lead from an agent to those who hear from it."""
UNDIRECTED = {"in_degree": ("many neighbours", "few neighbours")}
"""The same, where every edge leads both ways."""


@dataclass(frozen=True)
class Description:
    """Descriptions of all segments.

    Attributes
    ----------
    names : tuple of str
        Name of each segment.
    traits : tuple of tuple of str
        Features of each segment that stand out, the farthest first, with their distance: ``out_degree +2.1``.
    means, medians : (segments, features) float64
        Of the agents that have a value, in the feature's unit; NaN where no agent has one.
    z_scores : (segments, features) float64
        The centres: means of the transformed features, in standard deviations from the mean of all agents.
    """

    names: tuple[str, ...]
    traits: tuple[tuple[str, ...], ...]
    means: npt.NDArray[np.float64]
    medians: npt.NDArray[np.float64]
    z_scores: npt.NDArray[np.float64]

    @property
    def stands_out(self) -> npt.NDArray[np.bool_]:
        """Whether a segment is described by a feature, (segments, features) bool."""
        return np.abs(self.z_scores) >= STANDS_OUT


def describe(features: Features, clustering: Clustering, *, undirected: bool = False) -> Description:
    """Return the traits and the name of each segment.

    Parameters
    ----------
    features : Features
    clustering : Clustering
        Of these features.
    undirected : bool
        Whether every edge leads both ways, so that in-degree counts neighbours.
    """
    order = np.argsort(clustering.labels, kind="stable")
    starts = np.searchsorted(clustering.labels[order], np.arange(2, len(clustering.centres) + 1))
    members = np.split(order, starts)
    means = np.array([[_known(column[own], np.mean) for column in features.raw.values()] for own in members])
    medians = np.array([[_known(column[own], np.median) for column in features.raw.values()] for own in members])
    traits = tuple(
        tuple(f"{features.names[place]} {centre[place]:+.1f}" for place in _outstanding(centre))
        for centre in clustering.centres
    )
    words = {**WORDS, **(UNDIRECTED if undirected else {})}
    return Description(_names(features.names, clustering.centres, words), traits, means, medians, clustering.centres)


def _known(values: npt.NDArray[np.float64], of: "np.ufunc | object") -> float:
    known = values[np.isfinite(values)]
    return float(of(known)) if len(known) else np.nan  # type: ignore[operator]


def _outstanding(centre: npt.NDArray[np.float64]) -> list[int]:
    """Return the places of the features that stand out, the farthest first."""
    order = np.argsort(-np.abs(centre), kind="stable")
    return [int(place) for place in order if abs(centre[place]) >= STANDS_OUT]


def _names(
    features: Sequence[str], centres: npt.NDArray[np.float64], words: dict[str, tuple[str, str]]
) -> tuple[str, ...]:
    """Return a name for each segment: traits, and how far the first one is from the mean if others have the same.

    Examples
    --------
    >>> _names(["out_degree", "cascades"], np.array([[0.1, 0.0], [2.0, -0.7]]), WORDS)
    ('average', 'many followers, rarely active')
    """
    parts = []
    for centre in centres:
        said = {p: words.get(features[p], (f"high {features[p]}", f"low {features[p]}")) for p in _outstanding(centre)}
        parts.append([high if centre[p] > 0 else low for p, (high, low) in said.items()])
    lengths = [NAMED] * len(parts)
    names = [", ".join(each[:NAMED]) or "average" for each in parts]
    for _ in features:  # only those that have the name of another say more
        lengths = [length + (names.count(name) > 1) for length, name in zip(lengths, names, strict=True)]
        names = [", ".join(each[:length]) or "average" for each, length in zip(parts, lengths, strict=True)]
    farthest = [centre[np.abs(centre).argmax()] for centre in centres]
    return tuple(
        f"{name} ({far:+.1f})" if names.count(name) > 1 else name for name, far in zip(names, farthest, strict=True)
    )
