"""Lookup of models: built-in ones, those of installed packages, and those in users' files."""

import functools
import hashlib
import linecache
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from data.errors import InvalidInputError, SourceNotFoundError
from propagation.models.model import Model
from propagation.models.pandas_model import PandasModel, check_declarations

ENTRY_POINTS = "rumormill.models"
"""Group of entry points for models of packages: name and class."""


class ModelRegistry(Mapping[str, type[Model]]):
    """Models by name; those of packages are imported on access.

    Parameters
    ----------
    built_in : mapping
        The models that come with Rumormill.
    files : sequence of str
        Users' files of models.

    Raises
    ------
    InvalidInputError
        If a file is not valid Python, raises an exception, defines no model, or defines an invalid model or one whose
        name is taken.
    SourceNotFoundError
        If a file does not exist.
    """

    def __init__(self, built_in: Mapping[str, type[Model]], files: Sequence[str] = ()) -> None:
        self._known: dict[str, type[Model]] = dict(built_in)
        for file in files:
            for model in models_of_file(file):
                if model.name in self._known and self._known[model.name] is not model:
                    taken = "comes with Rumormill" if model.name in built_in else "is in another file"
                    raise InvalidInputError(f"{file}: a model {model.name!r} {taken}; choose another name")
                self._known[model.name] = model
        self._offered = _entry_points(tuple(sys.path))

    def __getitem__(self, name: str) -> type[Model]:
        """Return a model's class."""
        if name not in self._known:
            self._known[name] = _loaded(self._offered[name])
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        """Yield all names."""
        return iter(dict.fromkeys((*self._known, *self._offered)))

    def __len__(self) -> int:
        """Return the number of models."""
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        """Return whether there is a model of this name, without importing it."""
        return name in self._known or name in self._offered


@functools.cache
def _entry_points(_path: tuple[str, ...]) -> Mapping[str, metadata.EntryPoint]:
    """Return the entry points of packages on the path, by name; searched once."""
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}


def _loaded(point: metadata.EntryPoint) -> type[Model]:
    """Import and return the model of a package."""
    package = point.dist.name if point.dist else "a package"
    try:
        model = point.load()
    except Exception as error:
        raise InvalidInputError(
            f"model {point.name!r} of {package} ({point.value}) cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(model, type) or not issubclass(model, PandasModel) or model.name != point.name:
        raise InvalidInputError(
            f"model {point.name!r} of {package} ({point.value}) is {model!r}; an entry point of group "
            f"{ENTRY_POINTS} must refer to a subclass of PandasModel, under the name that the class declares"
        )
    check_declarations(model)
    return model


def models_of_file(path: str) -> tuple[type[PandasModel], ...]:
    """Return the models that a Python file defines; the file is executed once for each version of its text.

    Raises
    ------
    InvalidInputError
        If it is not valid Python, raises an exception, defines no model or an invalid one.
    SourceNotFoundError
        If there is no such file.
    """
    place = Path(path).expanduser().absolute()
    try:
        text = place.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise SourceNotFoundError(f"no file of models {path!r}; give the path of a Python file") from None
    except UnicodeError:
        raise InvalidInputError(f"{path} is not a text file; give a Python file that defines a PandasModel") from None
    return _models_of_text(str(place), text)


@functools.lru_cache(maxsize=32)
def _models_of_text(path: str, text: str) -> tuple[type[PandasModel], ...]:
    module = _run(path, text)
    defined = [value for value in vars(module).values() if _is_model_of(value, module)]
    models = [model for model in dict.fromkeys(defined) if "name" in vars(model)]
    if not models:
        raise InvalidInputError(f"{path} defines no model: a subclass of propagation.models.PandasModel with a name")
    names = [model.name for model in models]
    for model in models:
        check_declarations(model)
        if names.count(model.name) > 1:
            raise InvalidInputError(f"{path}: two models are called {model.name!r}; names must differ")
    return tuple(models)


def _is_model_of(value: Any, module: ModuleType) -> bool:
    return isinstance(value, type) and issubclass(value, PandasModel) and value.__module__ == module.__name__


def _run(path: str, text: str) -> ModuleType:
    """Execute a file as a separate module; its classes are pickled by value for other processes."""
    stem = re.sub(r"\W", "_", Path(path).stem)
    name = f"rumormill_models_{stem}_{hashlib.sha256(f'{path}:{text}'.encode()).hexdigest()[:12]}"
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    linecache.checkcache(path)
    try:
        exec(compile(text, path, "exec"), module.__dict__)  # noqa: S102 (it is the user's own program)
    except Exception as error:
        del sys.modules[name]
        raise InvalidInputError(f"{_place(error, path)}: {type(error).__name__}: {_words(error)}") from error
    cloudpickle.register_pickle_by_value(module)
    return module


def _words(error: Exception) -> str:
    return " ".join((error.msg if isinstance(error, SyntaxError) else str(error)).split())


def _place(error: Exception, path: str) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f"{path}, line {lines[-1]}" if lines else path
