"""Boosted trees as text: the format of skops, which runs no code when it is read, unlike a pickle, as Base64."""

import base64
import functools
import zipfile
from typing import Any

from data.errors import InvalidInputError

TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
"""The one type of scikit-learn's boosted trees that skops does not know to be safe: nodes as an array of numbers."""


def dump_trees(trees: Any) -> str:
    """Return a fitted scikit-learn estimator as text."""
    import skops.io

    return base64.b64encode(skops.io.dumps(trees, compression=zipfile.ZIP_DEFLATED, compresslevel=6)).decode("ascii")


@functools.lru_cache(maxsize=8)
def load_trees(content: str) -> Any:
    """Return the estimator that `dump_trees` wrote.

    Raises
    ------
    InvalidInputError
        If the text is something else, hold other types than trees, or this version of scikit-learn cannot read them.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.loads(base64.b64decode(content, validate=True), trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise InvalidInputError(
            f"the model's trees hold types that do not belong there ({error}); fit it again"
        ) from None
    except Exception as error:
        raise InvalidInputError(
            f"the model's trees cannot be read by the installed scikit-learn ({type(error).__name__}: {error}); "
            "install the version that the model's card names, or fit the model again"
        ) from None
