"""What users name as a source: a local path, however it is written."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from data.errors import SourceNotFoundError

# Of a URL that was made a Path, one slash is gone. A scheme of one letter is a drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,3}(.*)", re.DOTALL)


def local_path(source: str | os.PathLike[str]) -> Path:
    """Return the local path that a user names: ``~`` is the home folder, a ``file:`` URL the path in it.

    Raises
    ------
    SourceNotFoundError
        If it is the URL of something that is not on this machine.

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
        f"{whole} is a URL, and an import reads local files; download it first ({how}) and name the file"
    )
