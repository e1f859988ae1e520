"""The byte stream of a text source: decompressed if needed, and split into blocks of whole lines."""

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from data.errors import EdgeListError, SourceNotFoundError
from data.progress import Progress

BLOCK_BYTES = 16 << 20
LONGEST_LINE = 1 << 28

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class Block:
    """Whole lines of a source, each ending in a single line feed."""

    data: bytes
    first_line: int
    line_count: int

    def after(self, offset: int, line: int) -> "Block":
        """Return the part of the block from `line` on, which starts at byte `offset`."""
        return Block(self.data[offset:], line, self.line_count - (line - self.first_line))


def check_file(path: Path) -> None:
    """Raise an error unless `path` is a readable, non-empty file."""
    if not path.exists():
        raise SourceNotFoundError(f"{path} does not exist; name a local file")
    if path.is_dir():
        raise EdgeListError(f"{path} is a directory; name one file, or a folder of *.parquet files")
    if not path.is_file():
        raise EdgeListError(f"{path} is not a regular file; save its content to a file first")
    if not os.access(path, os.R_OK):
        raise EdgeListError(f"{path} may not be read by this user; change its permissions")
    if path.stat().st_size == 0:
        raise EdgeListError(f"{path} is empty; it must contain at least one line of data")


def magic_of(path: Path) -> bytes:
    """Return the first bytes of a file, which identify its format."""
    with path.open("rb") as file:
        return file.read(8)


def first_bytes(path: Path, count: int = 1 << 16) -> bytes:
    """Return the first bytes of a file's decompressed content, without a byte order mark; empty if it is damaged."""
    with path.open("rb") as file:
        try:
            start: bytes = _decompressed(file, path).read(count)
        except _DAMAGED:
            return b""  # reading the whole file will report what is wrong with it
    return start.removeprefix(_BYTE_ORDER_MARK)


def text_blocks(path: Path, progress: Progress) -> Generator[Block]:
    """Yield the lines of a text file, compressed or not, reporting progress in bytes of the file."""
    size, line = path.stat().st_size, 1
    with path.open("rb") as file:
        stream = _decompressed(file, path)
        for data in _cut_at_lines(_pieces(stream, path), path):
            block = Block(data, line, data.count(b"\n"))
            yield block
            line += block.line_count
            progress("reading", min(file.tell(), size), size)
    progress("reading", size, size)


def _decompressed(file: BinaryIO, path: Path) -> Any:
    start = file.read(8)
    file.seek(0)
    if start.startswith(b"PK\x03\x04"):
        raise EdgeListError(
            f"{path} is a zip archive or a workbook; unpack it, or save the sheet as CSV, and read that"
        )
    match next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None):
        case "gzip":
            return gzip.GzipFile(fileobj=file, mode="rb")
        case "bz2":
            return bz2.BZ2File(file)
        case "xz":
            return lzma.LZMAFile(file)
        case "zstd":
            return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    return file


def _pieces(stream: Any, path: Path) -> Iterator[bytes]:
    """Yield pieces of the decompressed bytes, reading the next one ahead in a thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="edge-list-reader") as reader:
        upcoming = reader.submit(stream.read, BLOCK_BYTES)
        while True:
            try:
                piece = upcoming.result()
            except _DAMAGED as error:
                raise EdgeListError(f"{path} is damaged or cut short: {error}; fetch or compress it again") from error
            if not piece:
                return
            upcoming = reader.submit(stream.read, BLOCK_BYTES)
            yield piece


def _cut_at_lines(pieces: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """Yield runs of whole lines; carriage returns before line feeds and a byte order mark are dropped.

    If the first piece has no line feed, carriage returns end lines, as in files of old Macs and Excel's "CSV
    (Macintosh)".
    """
    rest: list[bytes] = []
    first, returns_end_lines = True, False
    for number, piece in enumerate(pieces):
        if number == 0:
            piece = piece.removeprefix(_BYTE_ORDER_MARK)
            returns_end_lines = b"\r" in piece and b"\n" not in piece
        if returns_end_lines:
            piece = piece.replace(b"\r", b"\n")
        end = piece.rfind(b"\n") + 1
        if not end:
            rest.append(piece)
            if sum(map(len, rest)) > LONGEST_LINE:
                raise EdgeListError(f"{path} has a line longer than {LONGEST_LINE >> 20} MiB; is it an edge list?")
            continue
        yield _with_line_feeds(b"".join([*rest, piece[:end]]))
        rest, first = [piece[end:]], False
    last = b"".join(rest)
    if last or first:
        yield _with_line_feeds(last + b"\n")


def _with_line_feeds(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data
