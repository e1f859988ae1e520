"""The models, each in a file of its own and registered by one line here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from data.errors import InvalidInputError
from propagation.models.daley_kendall import DaleyKendall
from propagation.models.diffusion import Diffusion
from propagation.models.fractional_threshold import FractionalThreshold
from propagation.models.hybrid import Hybrid
from propagation.models.independent_cascade import IndependentCascade
from propagation.models.linear_threshold import LinearThreshold
from propagation.models.maki_thompson import MakiThompson
from propagation.models.model import Model
from propagation.models.seir import SEIR
from propagation.models.seiz import SEIZ
from propagation.models.si import SI
from propagation.models.sir import SIR
from propagation.models.sirs import SIRS
from propagation.models.sis import SIS
from propagation.models.viral import Viral

__all__ = [
    "MODELS",
    "SEIR",
    "SEIZ",
    "SI",
    "SIR",
    "SIRS",
    "SIS",
    "DaleyKendall",
    "Diffusion",
    "FractionalThreshold",
    "Hybrid",
    "IndependentCascade",
    "LinearThreshold",
    "MakiThompson",
    "Model",
    "Viral",
    "make_model",
]

MODELS: Mapping[str, type[Model]] = MappingProxyType(
    {
        IndependentCascade.name: IndependentCascade,
        LinearThreshold.name: LinearThreshold,
        FractionalThreshold.name: FractionalThreshold,
        Viral.name: Viral,
        Diffusion.name: Diffusion,
        Hybrid.name: Hybrid,
        SI.name: SI,
        SIS.name: SIS,
        SIR.name: SIR,
        SIRS.name: SIRS,
        SEIR.name: SEIR,
        SEIZ.name: SEIZ,
        MakiThompson.name: MakiThompson,
        DaleyKendall.name: DaleyKendall,
    }
)
"""Every registered model by the name that campaigns and tables use."""


def make_model(name: str, parameters: Mapping[str, Any]) -> Model:
    """Return the model called `name` with these parameters.

    Raises
    ------
    InvalidInputError
        If there is no such model, or a parameter breaks its rule.

    Examples
    --------
    >>> make_model("independent_cascade", {"probability": 0.1})
    IndependentCascade(probability=0.1)
    """
    if name not in MODELS:
        raise InvalidInputError(f"no model {name!r}; models are {', '.join(MODELS)}")
    return MODELS[name](**parameters)
