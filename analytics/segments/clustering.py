"""Groups of points by k-means: how many there are is judged on a sample, all points are grouped in blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInputError
from propagation.draws import Purpose, agent_hashes, stream

BLOCK = 65_536
"""Points in each block of a Dask array, whatever partitions or workers there are: sums always have the same order."""
CENTRED = 20_000
"""Points of the sample from which the first centres come."""
JUDGED = 4_000
"""Points of the sample whose silhouettes are computed."""
CLOSE = 0.02
"""Silhouettes that differ by less are as good: then more segments say more."""
STARTS = 8
"""Runs of k-means on the sample, from different points; the best one counts."""
MOST_ROUNDS = 100
TOLERANCE = 1e-6
"""Squared movement of all centres, in standard deviations, below which they have settled."""
_SAMPLING = 3
"""Variant of the stream of draws by which samples are chosen."""
Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Clustering:
    """Groups of points.

    Attributes
    ----------
    labels : (points,) int32
        Group of each point, from 1 by falling size; groups of equal size by their centres.
    centres : (groups, features) float64
        In standard deviations from the mean of all points.
    counts : tuple of int
        Numbers of groups that were tried, ascending.
    silhouettes : tuple of float
        Mean silhouette of the sample for each of them.
    judged : int
        Points of that sample.
    silhouette : float
        That of the number of groups that was chosen.
    iterations : int
        Rounds of Lloyd's algorithm over all points.
    """

    labels: npt.NDArray[np.int32]
    centres: Points
    counts: tuple[int, ...]
    silhouettes: tuple[float, ...]
    judged: int
    silhouette: float
    iterations: int


def cluster(values: Points, counts: Sequence[int], random_seed: int = 0, *, capped: bool = False) -> Clustering:
    """Group points by k-means on standardised values, with the number of groups that silhouettes favour.

    By dask-ml (``StandardScaler`` and ``KMeans`` on a Dask array in blocks of `BLOCK` points) over all points; by
    scikit-learn on two samples, chosen by hashes of the points' numbers: k-means++ on `CENTRED` points gives the first
    centres of every number of groups, and the silhouettes of `JUDGED` points choose the number: the largest one whose
    mean silhouette is within `CLOSE` of the best. dask-ml's own start, k-means||, depends on the blocks, so it is not
    used. Values are in memory, 8 bytes each; labels are the same for any number of threads.

    Parameters
    ----------
    values : (points, features) float64
    counts : sequence of int
        Numbers of groups to try, each at least 2.
    random_seed : int
        Of the samples and of the starts.
    capped : bool
        Whether numbers above that of the different points are left out, rather than refused.

    Raises
    ------
    InvalidInputError
        If the sample has fewer different points than groups.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM. Arthur and Vassilvitskii (2007), k-means++. Rousseeuw (1987),
    Silhouettes: a graphical aid to the interpretation and validation of cluster analysis.
    """
    import dask.array as da
    from dask_ml.cluster import KMeans
    from dask_ml.preprocessing import StandardScaler

    blocks = da.from_array(values, chunks=(BLOCK, values.shape[1]))
    scaled = np.asarray(StandardScaler().fit(blocks).transform(blocks))
    hashes = agent_hashes(stream(random_seed, Purpose.SEEDING, _SAMPLING), np.arange(len(scaled)))
    order = np.argsort(hashes, kind="stable")
    sample = scaled[order[:CENTRED]]
    counts = _possible(sample, counts, capped=capped)
    starts, silhouettes = _tried(sample, counts, random_seed)
    chosen = _chosen(counts, silhouettes)
    fitted = KMeans(len(starts[chosen]), init=starts[chosen], max_iter=MOST_ROUNDS, tol=TOLERANCE)
    fitted.fit(da.from_array(scaled, chunks=(BLOCK, values.shape[1])))
    labels, centres = _numbered(scaled, np.asarray(fitted.labels_))
    return Clustering(
        labels,
        centres,
        tuple(counts),
        tuple(silhouettes),
        min(JUDGED, len(sample)),
        silhouettes[chosen],
        int(fitted.n_iter_),
    )


def _possible(sample: Points, counts: Sequence[int], *, capped: bool) -> Sequence[int]:
    """Return the numbers of groups that are at most that of the different points of a sample."""
    different = len(np.unique(sample, axis=0))
    possible = [count for count in counts if count <= different]
    if not possible or (len(possible) < len(counts) and not capped):
        needed = min(counts) if not possible else max(counts)
        raise InvalidInputError(
            f"{needed} segments need at least {needed} agents that differ, and among {len(sample):,} there are "
            f"{different:,}; ask for fewer segments or use more features"
        )
    return possible


def _tried(sample: Points, counts: Sequence[int], random_seed: int) -> tuple[list[Points], list[float]]:
    """Return centres and mean silhouette on a sample for each number of groups."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    starts, silhouettes = [], []
    for count in counts:
        with threadpool_limits(1):  # several threads add up in no fixed order
            fitted = KMeans(count, n_init=STARTS, random_state=random_seed % 2**32).fit(sample)
        starts.append(np.ascontiguousarray(fitted.cluster_centers_))
        judged = fitted.labels_[:JUDGED]
        several = len(np.unique(judged)) > 1
        silhouettes.append(float(silhouette_score(sample[:JUDGED], judged)) if several else -1.0)
    return starts, silhouettes


def _chosen(counts: Sequence[int], silhouettes: Sequence[float]) -> int:
    """Return the position of the largest number of groups whose silhouette is close to the best.

    Examples
    --------
    >>> _chosen([2, 3, 4], [0.40, 0.39, 0.30])
    1
    """
    best = max(silhouettes)
    return max(
        (number for number, each in enumerate(silhouettes) if each >= best - CLOSE), key=lambda number: counts[number]
    )


def _numbered(scaled: Points, labels: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.int32], Points]:
    """Return labels from 1 by falling size and by centre, and the centres in this order; empty groups are left out."""
    found, groups = np.unique(labels, return_inverse=True)
    sizes = np.bincount(groups)
    centres = np.stack([np.bincount(groups, column) for column in scaled.T], axis=1) / sizes[:, None]
    order = sorted(range(len(found)), key=lambda group: (-sizes[group], *centres[group].tolist()))
    rank = np.empty(len(found), np.int32)
    rank[order] = np.arange(1, len(found) + 1)
    return rank[groups], centres[order]
