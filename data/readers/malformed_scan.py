"""A vectorised scan of a block for lines that may be malformed.

The scan has false positives but no false negatives: a line that it does not return is well formed. The returned lines
are then checked one by one; in usual files there are few.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from data.readers.identifiers import LONGEST_ID
from data.readers.layout import TextLayout

_LINE_FEED = ord("\n")


def suspicious_lines(data: bytes, layout: TextLayout) -> npt.NDArray[np.int64]:
    """Return the positions, in order, of all lines that are blank, comments or malformed, and possibly of others.

    Parameters
    ----------
    data : bytes
        Whole lines, normalised by the layout's delimiter.
    layout : TextLayout
        Gives the number of fields and their delimiter.
    """
    characters = np.frombuffer(data, np.uint8)
    ends = line_ends(data)
    starts = np.append(0, ends[:-1] + 1)
    delimiters = np.flatnonzero(characters == ord(layout.delimiter.character))
    fields = np.diff(np.searchsorted(delimiters, ends), prepend=0) + 1
    suspicious = (fields != len(layout.names)) | (ends - starts > LONGEST_ID) | (ends == starts)
    suspicious |= np.isin(characters[starts], np.frombuffer(b"#% \t", np.uint8))
    suspicious[np.searchsorted(ends, np.flatnonzero(_suspicious_bytes(layout)[characters]))] = True
    suspicious[np.searchsorted(ends, delimiters[_next_to_empty_field(characters, delimiters)])] = True
    suspicious[np.searchsorted(ends, list(header_places(data, layout)))] = True
    return np.flatnonzero(suspicious)


def header_places(data: bytes, layout: TextLayout) -> Iterator[int]:
    """Yield the positions in normalised lines at which the header is repeated."""
    header, at = layout.header_line, -1
    while header and (at := data.find(header, at + 1)) >= 0:
        if at == 0 or data[at - 1] == _LINE_FEED:
            yield at


def line_ends(data: bytes) -> npt.NDArray[np.int64]:
    """Return the positions of line feeds."""
    return np.flatnonzero(np.frombuffer(data, np.uint8) == _LINE_FEED)


def lines_kept(data: bytes, kept: npt.NDArray[np.bool_]) -> bytes:
    """Return only the lines for which `kept` is true."""
    lengths = np.diff(line_ends(data), prepend=-1)
    return np.frombuffer(data, np.uint8)[np.repeat(kept, lengths)].tobytes()


def _suspicious_bytes(layout: TextLayout) -> npt.NDArray[np.bool_]:
    """Return, for each byte value, whether it makes a line suspicious: blanks and quotes in fields, non-ASCII bytes."""
    table = np.zeros(256, np.bool_)
    table[[0, ord("\r")]] = True
    table[0x80:] = True
    if not layout.delimiter.runs or layout.delimiter.quote:
        table[[ord(" "), ord("\t"), ord(layout.delimiter.quote)]] = True
        table[ord(layout.delimiter.character)] = False
    return table


def _next_to_empty_field(characters: npt.NDArray[np.uint8], delimiters: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which delimiters have an empty field before or after them."""
    before = np.append(characters, _LINE_FEED)[delimiters - 1]
    after = characters[delimiters + 1]
    return (before == _LINE_FEED) | (after == _LINE_FEED) | (after == characters[delimiters])
