"""Places for warehouses, and small networks to put there."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pytest

from data.facade import Warehouse
from data.networks.edge_lists import MALFORMED_SCHEMA, EdgeList, ImportOptions
from data.readers import read_edges
from tests.data.publications import add_tables

BUCKET = "rumours"
REQUESTS: Counter[str] = Counter()
"""Requests that moto's S3 server has answered, by method."""


@pytest.fixture(scope="session")
def s3_bucket() -> Iterator[str]:
    """URL of a bucket of moto's S3 server on loopback; s3fs finds the server through the environment."""
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _answer_one_at_a_time(server)
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        environment.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        s3fs.S3FileSystem.clear_instance_cache()
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}"
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def _answer_one_at_a_time(server: Any) -> None:
    """Make a put with If-None-Match atomic, as S3's is: moto looks first and puts later."""
    application = server._server.app
    alone = threading.Lock()

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        with alone:
            REQUESTS[environ["REQUEST_METHOD"]] += 1
            return list(application(environ, start_response))

    server._server.app = answer


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new local folder or URL for a warehouse, on each kind of storage."""
    if request.param == "folder":
        return str(tmp_path / "warehouse")
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}/warehouse"
    return f"{request.getfixturevalue('s3_bucket')}/{uuid.uuid4().hex}"


@pytest.fixture
def warehouse(place: str) -> Warehouse:
    """A new warehouse, on each kind of storage."""
    return Warehouse(place)


@pytest.fixture
def local(tmp_path: Path) -> Warehouse:
    """A new warehouse in a folder."""
    return Warehouse(tmp_path / "warehouse")


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the keyed tables `counters` and `relations` known."""
    add_tables(monkeypatch.setattr)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a checkpoint of the log after every third publication."""
    monkeypatch.setattr("data.warehouse.log.CHECKPOINT_EVERY", 3)


@pytest.fixture
def forget_filesystems() -> Callable[[], None]:
    """Make storages opened from now on share nothing with earlier ones, like those of another process."""

    def forget() -> None:
        for protocol in ("memory", "s3"):
            fsspec.get_filesystem_class(protocol).clear_instance_cache()

    return forget


@pytest.fixture(scope="session")
def edge_list() -> Callable[..., EdgeList]:
    """Make an edge list of pairs of original ids, as a reader would."""

    def make(pairs: Sequence[tuple[Any, Any]], agents: Sequence[Any] = (), **fields: Any) -> EdgeList:
        ids = list(dict.fromkeys([end for pair in pairs for end in pair] + list(agents)))
        code = {agent_id: number for number, agent_id in enumerate(ids)}
        malformed = fields.pop("malformed", MALFORMED_SCHEMA.empty_table())
        defaults = {
            "source": np.array([code[source] for source, _ in pairs], np.int32),
            "target": np.array([code[target] for _, target in pairs], np.int32),
            "agent_ids": pa.array(ids, pa.int64() if all(isinstance(i, int) for i in ids) else pa.string()),
            "edge_attributes": pa.table({}),
            "malformed": malformed,
            "rows_read": len(pairs) + malformed.num_rows,
            "description": "pairs",
        }
        return EdgeList(**{**defaults, **fields})

    return make


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Return a function that writes a file and reads it as an edge list."""

    def written_and_read(content: str | bytes, name: str = "edges.txt", agents: Any = None, **options: Any) -> EdgeList:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_edges(path, ImportOptions(**options), agents=agents)

    return written_and_read


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder for the caches of all warehouses here: those in memory would use the user's."""
    with pytest.MonkeyPatch.context() as environment:
        folder = tmp_path_factory.mktemp("cache")
        environment.setenv("RUMORMILL_CACHE", str(folder))
        yield folder
