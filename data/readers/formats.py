"""Graph formats that are not edge lists: recognised by a file's first bytes, and refused with a hint."""

import re
from pathlib import Path

from data.errors import EdgeListError

_COMMENTS = rb"\A(?:\s|[#%][^\n]*\n|//[^\n]*\n)*"
_NETWORKX = (
    "read it in Python with networkx.{reader} and import networkx.to_pandas_edgelist(graph), or export the edges as "
    "CSV from the program that wrote it"
)
_EXPORT = "export its edges as CSV from the program that wrote it"
_TABLE = "load it in Python and import it as a pandas DataFrame or an Arrow table"
_QUERY = "import it with --query \"SELECT source, target FROM {reader}('{path}')\""

_TEXTS = (
    ("GraphML", rb"(?s)\A\s*(?:<\?xml.{0,2000})?<graphml\b", _NETWORKX.format(reader="read_graphml")),
    ("GEXF", rb"(?s)\A\s*(?:<\?xml.{0,2000})?<gexf\b", _NETWORKX.format(reader="read_gexf")),
    ("HTML", rb"(?is)\A\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html)\b", "download the file itself, not its page"),
    ("XML", rb"\A\s*<(?:\?xml|!--|!DOCTYPE|[A-Za-z]+[\s>])", _EXPORT),
    (
        "GML",
        rb"(?i)%b(?:(?:creator|version|comment)\b[^\n]*\n\s*)*graph\s*\[" % _COMMENTS,
        _NETWORKX.format(reader="read_gml"),
    ),
    (
        "Pajek",
        rb"(?i)%b\*(?:network|vertices|arcs|edges|arcslist|edgeslist|matrix)\b" % _COMMENTS,
        _NETWORKX.format(reader="read_pajek"),
    ),
    (
        "Graphviz (DOT)",
        rb"(?is)\A(?:\s|#[^\n]*\n|//[^\n]*\n|/\*.*?\*/)*(?:strict\s+)?(?:di)?graph\b[^\n\[{]{0,200}\{",
        _NETWORKX.format(reader="nx_pydot.read_dot"),
    ),
    ("UCINET DL", rb"(?i)\A\s*dl\b[\s,]*(?:n|nr|nm|format)\s*=", _EXPORT),
    ("LEDA", rb"\A\s*LEDA\.GRAPH\b", _NETWORKX.format(reader="read_leda")),
    ("graph6 or sparse6", rb"\A(?:>>(?:graph6|sparse6|digraph6)<<)", _NETWORKX.format(reader="read_graph6")),
    (
        "DIMACS",
        rb"\A(?:c(?:[ \t][^\n]*)?\n)*p\s+(?:edge|col|sp|max|min|asn|cnf|tw)\s+\d+",
        "keep its lines that begin with 'a' or 'e', without that letter, and import those",
    ),
    ("JSON", rb"\A\s*(?:\{\s*(?:\"|\})|\[\s*[\[{\"\]])", _QUERY.replace("{reader}", "read_json")),
)
_BINARIES = (
    ("NumPy", b"\x93NUMPY", _TABLE),
    ("HDF5", b"\x89HDF\r\n\x1a\n", _TABLE),
    ("MATLAB", b"MATLAB 5.0 MAT-file", _TABLE),
    ("SQLite", b"SQLite format 3\0", _TABLE),
    ("Arrow (Feather)", b"ARROW1", "read it in Python with pyarrow.feather.read_table and import the table"),
    ("ORC", b"ORC", "read it in Python with pyarrow.orc.read_table and import the table"),
    ("Avro", b"Obj\x01", _TABLE),
    ("Excel", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save the sheet as CSV, and import that"),
    ("pickle", re.compile(rb"\A\x80[\x02-\x05][\x95}\](cX]"), _TABLE),
    (
        "R data",
        re.compile(rb"\A(?:RD[AX][23]\n|[XAB]\n\x00\x00\x00[\x02\x03])"),
        "write it with write.csv, and import that",
    ),
    ("tar archive", re.compile(rb"(?s)\A.{257}ustar"), "unpack it, and import the file in it"),
    ("PDF", b"%PDF-", "it holds no edges to read"),
)


def refuse_other_formats(start: bytes, path: Path) -> None:
    """Raise EdgeListError if a file is in a known format that is not an edge list.

    Parameters
    ----------
    start : bytes
        First bytes of the file, decompressed.
    path : Path
        The file, for the message.

    Examples
    --------
    >>> refuse_other_formats(b"graph [ node [ id 0 ] ]", Path("tiny.gml"))
    Traceback (most recent call last):
    data.errors.EdgeListError: tiny.gml is in the format GML, which is not an edge list; read it in Python with ...
    """
    for name, begins, remedy in _BINARIES:
        if start.startswith(begins) if isinstance(begins, bytes) else begins.match(start):
            raise EdgeListError(f"{path} is in the format {name}, which is not an edge list; {remedy}")
    for name, pattern, remedy in _TEXTS:
        if re.match(pattern, start):
            remedy = remedy.replace("{path}", str(path))
            raise EdgeListError(f"{path} is in the format {name}, which is not an edge list; {remedy}")
