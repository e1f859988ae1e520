"""Times of activations: numbers in any unit, or dates."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InvalidInputError

SECONDS = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0}
"""Units in which the time between two dates can be measured."""
_COMPACT = {8: ("YYYYMMDD", "%Y%m%d"), 12: ("YYYYMMDDHHMM", "%Y%m%d%H%M"), 14: ("YYYYMMDDHHMMSS", "%Y%m%d%H%M%S")}
"""Dates that are written as a whole number, by its digits. Unix times have 10, 13, 16 or 19 digits."""
_YEARS = (1900, 2100)
"""Years that a whole number may begin with to be a date."""

Moments = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class MeasuredTimes:
    """Times as numbers.

    Attributes
    ----------
    values : ndarray of float64, (n,)
        NaN where a value is no time; dates count from 1970.
    are_dates : bool
        Whether the values were taken as dates.
    compact_form : str or None
        How the dates are written, such as ``YYYYMMDD``, if numbers were taken as dates.
    """

    values: npt.NDArray[np.float64]
    are_dates: bool = False
    compact_form: str | None = None


def measured_times(values: "pd.Series[Any]", time_unit: str) -> MeasuredTimes:
    """Return times as numbers: dates (ISO 8601 if they are text) are measured in `time_unit`.

    A column has times of one kind. If it has both numbers and dates, those of the less frequent kind are no times.
    Whole numbers are dates if all of them are, written as YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, in the years 1900
    to 2100, and they differ. Truth values and complex numbers are no times.

    Raises
    ------
    InvalidInputError
        If they are dates, and the unit is none of `SECONDS`.

    Examples
    --------
    >>> hours = measured_times(pd.Series(["2024-05-01 12:00", "2024-05-01 13:30"]), "minutes").values
    >>> float(hours[1] - hours[0])
    90.0
    >>> measured_times(pd.Series([20240430, 20240501]), "days").compact_form
    'YYYYMMDD'
    """
    if isinstance(values.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_any_dtype(values.dtype):
        return MeasuredTimes(_since_1970(_moments(pd.to_datetime(values, utc=True)), time_unit), are_dates=True)
    numbers = _numbers(values)
    is_number = np.isfinite(numbers)
    others = values.notna().to_numpy(bool) & ~is_number
    dates = np.full(len(values), "NaT", "datetime64[us]")
    if others.any() and not pd.api.types.is_numeric_dtype(values.dtype):
        dates[others] = _moments(pd.to_datetime(values[others], errors="coerce", utc=True, format="ISO8601"))
    count = np.count_nonzero(~np.isnat(dates))
    form, written = _compact_dates(numbers[is_number], alone=not count)
    if form is not None:
        dates[is_number] = written
    elif count <= np.count_nonzero(is_number):
        return MeasuredTimes(numbers)
    return MeasuredTimes(_since_1970(dates, time_unit), are_dates=True, compact_form=form)


def _numbers(values: "pd.Series[Any]") -> npt.NDArray[np.float64]:
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_complex_dtype(values.dtype):
        return np.full(len(values), np.nan)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(np.float64, na_value=np.nan)
    try:  # four times as fast, where it can read all of them
        array = pa.array(values, from_pandas=True)
        if not pa.types.is_boolean(array.type):
            return np.asarray(pc.fill_null(array.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError):
        pass
    objects = values.astype(object)
    objects = objects.mask(objects.map(lambda value: isinstance(value, bool | np.bool_ | complex)), None)
    return pd.to_numeric(objects, errors="coerce").to_numpy(np.float64, na_value=np.nan)


def _compact_dates(numbers: npt.NDArray[np.float64], *, alone: bool) -> tuple[str | None, Moments]:
    """Return how dates are written as whole numbers, and the dates; None if the numbers are none.

    Equal numbers `alone`, with no dates beside them, say nothing: the time between them is 0 in any case.
    """
    none = np.empty(0, "datetime64[us]")
    if not len(numbers) or (alone and (numbers == numbers[0]).all()):
        return None, none
    digits = len(f"{abs(numbers[0]):.0f}")
    if digits not in _COMPACT or not (np.trunc(numbers) == numbers).all():
        return None, none
    form, pattern = _COMPACT[digits]
    year, month = numbers // 10.0 ** (digits - 4), numbers // 10.0 ** (digits - 6) % 100
    if not ((year >= _YEARS[0]) & (year <= _YEARS[1]) & (month >= 1) & (month <= 12)).all():
        return None, none
    texts = pd.Series(numbers.astype(np.int64)).astype("string")
    dates = _moments(pd.to_datetime(texts, errors="coerce", utc=True, format=pattern))
    return (None, none) if np.isnat(dates).any() else (form, dates)


def _moments(dates: "pd.Series[Any]") -> Moments:
    """Return dates in microseconds: those in nanoseconds since 1970 end in 1677 and 2262."""
    return dates.to_numpy("datetime64[us]")


def _since_1970(dates: Moments, time_unit: str) -> npt.NDArray[np.float64]:
    if time_unit not in SECONDS:
        raise InvalidInputError(
            f"the times are dates, which cannot be measured in {time_unit!r}; the time unit of dates is one of "
            f"{', '.join(SECONDS)}"
        )
    return np.where(np.isnat(dates), np.nan, dates.astype(np.int64) / 1e6 / SECONDS[time_unit])
