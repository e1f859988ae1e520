"""Times of activations: numbers in any unit, or dates."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InvalidInputError

SECONDS = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0}
"""Units in which the time between two dates can be measured."""


def measured_times(values: "pd.Series[Any]", time_unit: str) -> npt.NDArray[np.float64]:
    """Return times as numbers, NaN where a value is none; dates (ISO 8601 if they are text) in `time_unit` from 1970.

    Raises
    ------
    InvalidInputError
        If they are dates, and the unit is none of `SECONDS`.

    Examples
    --------
    >>> measured_times(pd.Series(["2024-05-01 12:00", "2024-05-01 13:30"]), "minutes").tolist()[1] - 28576080.0
    90.0
    """
    if isinstance(values.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_any_dtype(values.dtype):
        return _from_dates(values, time_unit)
    if not pd.api.types.is_numeric_dtype(values.dtype):
        numbers = _from_texts(values)
        if np.isfinite(numbers).any() or not len(values):
            return numbers
        dates = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
        return _from_dates(dates, time_unit) if dates.notna().any() else numbers
    return values.to_numpy(np.float64, na_value=np.nan)


def _from_texts(values: "pd.Series[Any]") -> npt.NDArray[np.float64]:
    try:  # four times as fast, where it can read all of them
        array = pa.array(values, from_pandas=True)
        return np.asarray(pc.fill_null(array.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError):
        numbers = pd.to_numeric(values.astype(object), errors="coerce")
        return numbers.to_numpy(np.float64, na_value=np.nan)


def _from_dates(dates: "pd.Series[Any]", time_unit: str) -> npt.NDArray[np.float64]:
    if time_unit not in SECONDS:
        raise InvalidInputError(
            f"the times are dates, which cannot be measured in {time_unit!r}; the time unit of dates is one of "
            f"{', '.join(SECONDS)}"
        )
    moments = pd.to_datetime(dates, utc=True)
    nanoseconds = moments.to_numpy("datetime64[ns]").astype(np.int64)
    return np.where(moments.isna(), np.nan, nanoseconds / 1e9 / SECONDS[time_unit])
