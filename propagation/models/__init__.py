"""The models, one file each, registered here."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from data.errors import InvalidInputError
from data.validation import suggestion
from propagation.models.competing_cascades import CompetingCascades
from propagation.models.daley_kendall import DaleyKendall
from propagation.models.diffusion import Diffusion
from propagation.models.fractional_threshold import FractionalThreshold
from propagation.models.hybrid import Hybrid
from propagation.models.independent_cascade import IndependentCascade
from propagation.models.linear_threshold import LinearThreshold
from propagation.models.maki_thompson import MakiThompson
from propagation.models.model import Model
from propagation.models.pandas_model import PandasModel
from propagation.models.registry import ModelRegistry
from propagation.models.seir import SEIR
from propagation.models.seiz import SEIZ
from propagation.models.si import SI
from propagation.models.sir import SIR
from propagation.models.sirs import SIRS
from propagation.models.sis import SIS
from propagation.models.viral import Viral
from propagation.parameters import Probability

__all__ = [
    "MODELS",
    "SEIR",
    "SEIZ",
    "SI",
    "SIR",
    "SIRS",
    "SIS",
    "CompetingCascades",
    "DaleyKendall",
    "Diffusion",
    "FractionalThreshold",
    "Hybrid",
    "IndependentCascade",
    "LinearThreshold",
    "MakiThompson",
    "Model",
    "PandasModel",
    "Probability",
    "Viral",
    "known_models",
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
        CompetingCascades.name: CompetingCascades,
    }
)
"""Every registered model by the name that campaigns and tables use."""
PandasModel.reserved_names = frozenset(MODELS)


def known_models(files: Sequence[str] = ()) -> Mapping[str, type[Model]]:
    """Return all models by name: built-in ones, those of installed packages, and those in files.

    Parameters
    ----------
    files : sequence of str
        Python files with users' own models; they are executed.

    Raises
    ------
    InvalidInputError, SourceNotFoundError
        If a file is invalid or missing.
    """
    return ModelRegistry(MODELS, files)


def make_model(name: str, parameters: Mapping[str, Any], files: Sequence[str] = ()) -> Model:
    """Return the model called `name` with these parameters; `files` may hold users' own models.

    Raises
    ------
    InvalidInputError
        If there is no such model, or a parameter is invalid.

    Examples
    --------
    >>> make_model("independent_cascade", {"probability": 0.1})
    IndependentCascade(probability=0.1)
    """
    known = known_models(files)
    if name not in known:
        raise InvalidInputError(f"no model {name!r}{suggestion(name, known)}; models are {', '.join(known)}")
    return known[name](**parameters)
