"""Options of a calibration of edges: what determines it, beside network and cascades."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np

from data.errors import InvalidInputError
from data.validation import suggestion

ModelName = Literal["independent_cascade", "linear_threshold"]
Method = Literal["em", "agents", "bernoulli", "jaccard", "partial_credit"]
ShrinkTo = Literal["agents", "network"]
METHODS: tuple[Method, ...] = get_args(Method)
MODELS: tuple[ModelName, ...] = get_args(ModelName)


@dataclass(frozen=True)
class Options:
    """What determines a calibration of edges, beside network and cascades.

    Attributes
    ----------
    model : str
        ``independent_cascade`` or ``linear_threshold``.
    method : str
        ``em``, ``agents``, ``bernoulli``, ``jaccard`` or ``partial_credit``.
    window : float or None
        Longest delay between cause and activation, in the cascades' time unit; None: any.
    prior_strength : float
        Exposures that the prior counts as.
    shrink_to : str
        Whose probability the prior has: ``agents`` (the target's) or ``network`` (that of all edges).
    decay : float or None
        Of ``partial_credit``: time in which the share of a cause falls by the factor e.
    most_iterations : int
        Of expectation maximisation.
    tolerance : float
        Largest change of a value at which it ends.
    """

    model: ModelName = "independent_cascade"
    method: Method = "em"
    window: float | None = None
    prior_strength: float = 1.0
    shrink_to: ShrinkTo = "agents"
    decay: float | None = None
    most_iterations: int = 2000
    tolerance: float = 1e-6

    def check(self) -> None:
        """Raise InvalidInputError if a value breaks its rule."""
        for name, known in (("model", MODELS), ("method", METHODS), ("shrink_to", get_args(ShrinkTo))):
            given = getattr(self, name)
            if given not in known:
                raise InvalidInputError(
                    f"{name} {given!r} is unknown{suggestion(str(given), known)}; choose one of {', '.join(known)}"
                )
        if self.model == "linear_threshold" and self.method != "em":
            raise InvalidInputError(f"method {self.method!r} is for independent_cascade; linear_threshold has 'em'")
        if self.shrink_to != "agents" and (self.model, self.method) != ("independent_cascade", "em"):
            what = self.model if self.model == "linear_threshold" else f"method {self.method!r}"
            raise InvalidInputError(f"shrink_to {self.shrink_to!r} does not change {what}; leave it out")
        if not (_is_number(self.prior_strength) and 0.0 <= self.prior_strength < np.inf):
            raise InvalidInputError(
                f"prior_strength {self.prior_strength!r} is not a finite number >= 0; 1 counts as one exposure"
            )
        if self.decay is not None and self.method != "partial_credit":
            raise InvalidInputError(f"decay {self.decay!r} is for method 'partial_credit'; leave it out")
        if self.decay is not None and not (_is_number(self.decay) and self.decay > 0):
            raise InvalidInputError(f"decay {self.decay!r} is not a positive time; leave it out for equal shares")
        iterations = self.most_iterations
        if isinstance(iterations, bool) or not isinstance(iterations, int | np.integer) or iterations < 1:
            raise InvalidInputError(f"most_iterations {iterations!r} is not a whole number >= 1")
        if not (_is_number(self.tolerance) and self.tolerance > 0):
            raise InvalidInputError(f"tolerance {self.tolerance!r} is not a positive number")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def options_of(given: Mapping[str, Any]) -> Options:
    """Return options from names and values.

    Raises
    ------
    InvalidInputError
        If there is no such option.
    """
    for name in given:
        if name not in Options.__dataclass_fields__:
            known = Options.__dataclass_fields__
            raise InvalidInputError(f"no option {name!r}{suggestion(name, known)}; options are {', '.join(known)}")
    numbers = ("window", "prior_strength", "decay", "tolerance")  # 1 and 1.0 are the same calibration
    plain = {name: float(value) if name in numbers and _is_number(value) else value for name, value in given.items()}
    for name in ("window", "decay"):  # an infinite time is the same as none
        if plain.get(name) == np.inf:
            plain[name] = None
    return Options(**cast("Any", plain))
