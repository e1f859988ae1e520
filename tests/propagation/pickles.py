"""Values as bytes, to compare whole states."""

import copy
import pickle


def as_bytes(value):
    """Return a value as bytes that are the same for equal values, whatever arrays share memory."""
    return pickle.dumps(copy.deepcopy(value))
