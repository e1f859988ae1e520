"""Ids of sets of observed cascades, derived from their content and from what an import left out."""

import hashlib
import uuid
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.cascades.observed_cascades import ObservedCascades

_VERSION = 1
"""Version of what the id of a set is derived from: ids of different versions never agree."""


def content_id(found: ObservedCascades) -> str:
    """Return a UUID of the name and of everything that the cascades say, the same on every machine and version."""
    head = (_VERSION, found.name, found.snapshot_id, found.time_unit)
    digest = hashlib.sha256("\n".join(map(str, head)).encode())
    texts = [found.cascade_ids, *([found.labels] if found.labels is not None else [])]
    texts += [found.agent_ids] if found.network_id is None else []
    for ids in texts:
        _add_texts(digest, ids)
    arrays = {"<i8": found.offsets, "<i4": np.concatenate([found.agents, found.infectors]), "<f8": found.times}
    for kind, values in arrays.items():
        digest.update(values.astype(kind, copy=False).tobytes())
    if found.followers is not None:
        digest.update(found.followers.astype("<i8", copy=False).tobytes())
    return str(uuid.UUID(bytes=digest.digest()[:16]))


def import_id(
    content: str, counts: Sequence[int], lines: npt.NDArray[np.int64], left_out: Mapping[str, pa.Array]
) -> str:
    """Return a UUID of a content and of what its import left out; that of the content if it left out nothing.

    So the same activations with other rejected rows are another set, whose rejected rows are its own.

    Parameters
    ----------
    content : str
        What `content_id` returned.
    counts : sequence of int
        Numbers of values that were left out, such as unknown infectors.
    lines : ndarray of int64, (n_rejects,)
        Lines of the rejected rows.
    left_out : mapping of str to Array of string, (n_rejects,)
        What else is known about them.
    """
    if not any(counts) and not len(lines):
        return content
    digest = hashlib.sha256("\n".join(map(str, (_VERSION, content, *counts))).encode())
    digest.update(lines.astype("<i8", copy=False).tobytes())
    for texts in left_out.values():
        _add_texts(digest, texts)
    return str(uuid.UUID(bytes=digest.digest()[:16]))


def _add_texts(digest: "hashlib._Hash", texts: pa.Array) -> None:
    lengths = pc.fill_null(pc.binary_length(texts), -1).to_numpy(zero_copy_only=False)
    digest.update(lengths.astype("<i4").tobytes())
    digest.update("".join(texts.drop_null().to_pylist()).encode())
