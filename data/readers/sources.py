"""Resolving the sources that users name to local paths."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from data.errors import SourceNotFoundError

# A URL that was converted to a Path has lost a slash. A scheme of one letter is a drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,3}(.*)", re.DOTALL)


def local_path(source: str | os.PathLike[str]) -> Path:
    """Return the local path of a source, with ``~`` expanded and ``file:`` URLs decoded.

    Raises
    ------
    SourceNotFoundError
        If the source is a remote URL.

    Examples
    --------
    >>> local_path("file:///tmp/my%20edges.txt")
    PosixPath('/tmp/my edges.txt')
    """
    text = os.fspath(source)
    url = _URL.fullmatch(text)
    if url is None or Path(text).exists():
        return Path(text).expanduser()
    scheme, rest = url[1].lower(), url[2]
    if scheme == "file":
        return Path("/" + unquote(urlsplit(f"file:///{rest.removeprefix('localhost/')}").path).lstrip("/"))
    whole = f"{url[1]}://{rest}"
    how = f"curl -LO '{whole}'" if scheme in {"http", "https", "ftp"} else "with the tools of that store"
    raise SourceNotFoundError(
        f"{whole} is a URL, but imports read local files only; download it first ({how}) and name the file"
    )
