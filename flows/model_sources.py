"""Sources of the user's own models: files whose text is stored with a run, so that any machine can execute it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from data.errors import InvalidInputError


@dataclass(frozen=True)
class ModelSource:
    """A file with the user's own models, as it was when the run was stored.

    Attributes
    ----------
    path : str
        Path of the file at that time.
    fingerprint : str
        SHA-256 of its text, hexadecimal.
    text : str
        Content of the file.
    """

    path: str
    fingerprint: str
    text: str

    @staticmethod
    def of_file(path: str) -> "ModelSource":
        """Return the source of a file with its present content."""
        text = Path(path).read_text(encoding="utf-8")
        return ModelSource(path, _fingerprint(text), text)

    def file(self, folder: Path) -> str:
        """Return the path of a file with exactly this text: the original file, or a copy in a folder.

        Raises
        ------
        InvalidInputError
            If the text does not match the fingerprint.
        """
        if _fingerprint(self.text) != self.fingerprint:
            raise InvalidInputError(
                f"the stored text of {self.path} does not match its fingerprint, so it is not executed; run the "
                "campaign's file again"
            )
        copy = folder / "models" / self.fingerprint / Path(self.path).name
        for path in (Path(self.path), copy):
            if path.is_file() and path.read_bytes() == self.text.encode():
                return str(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(self.text.encode())
        return str(copy)


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
