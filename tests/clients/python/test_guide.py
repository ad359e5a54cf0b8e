"""The Python examples of the integration guide, as they stand (`guide/`).

Each file there is one block of the guide, unchanged. They say `localhost:50051`;
only that text is replaced, by the address of the server under test. The blocks
go on from one another, so they run one after the other in one set of names;
what a block takes for granted is defined here, before it.
"""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from somafractalmemory.v1 import memory_pb2, metrics_pb2, metrics_pb2_grpc

GUIDE = Path(__file__).parent / "guide"


@pytest.fixture(scope="module")
def names():
    """The names that the blocks share, as in one long program."""
    return {}


@pytest.fixture
def block(address, names):
    def run(name: str, **prologue):
        path = GUIDE / f"{name}.py"
        source = path.read_text("utf-8").replace("localhost:50051", address)
        names.update(prologue)
        exec(compile(source, str(path), "exec"), names)  # noqa: S102
        return names

    return run


def test_store_and_search(block):
    names = block("store_and_search")
    memory, results = names["memory"], names["results"]
    assert memory.content == "Example content"
    assert dict(memory.metadata) == {"type": "note"}
    assert list(memory.vector) == pytest.approx([0.1, 0.2, 0.3])
    assert memory.id in [found.id for found in results.memories]
    assert len(results.scores) == len(results.memories)
    assert results.scores[0] == pytest.approx(1.0, abs=1e-5)


def test_error_handling(block, capsys):
    request = memory_pb2.GetMemoryRequest(id="00000000-0000-7000-8000-000000000000")
    names = block("error_handling", request=request)
    assert names["status_code"] == grpc.StatusCode.NOT_FOUND
    assert capsys.readouterr().out == "Memory not found\n"


def test_server_streaming(block, names, capsys):
    # The first block's memory has the word "example" and the label "note". This
    # block gives its name to another one.
    stored = names["results"].memories[0].id
    block("server_streaming")
    printed = capsys.readouterr().out.splitlines()
    assert f"Received memory: {stored}" in printed
    assert all(line.startswith("Received memory: ") for line in printed)


def test_client_streaming(block):
    names = block("client_streaming", contents=["first", "second", "third"])
    responses = names["responses"]
    assert responses.stored_count == 3
    assert len(responses.ids) == 3
    assert not responses.failures


def test_compression(block, names):
    channel = block("compression")["channel"]
    stub = names["memory_pb2_grpc"].MemoryServiceStub(channel)
    content = "compressed " * 1_000
    stored = stub.StoreMemory(memory_pb2.StoreMemoryRequest(content=content))
    assert stub.GetMemory(memory_pb2.GetMemoryRequest(id=stored.id)).content == content


def test_health(block):
    response = block("health", health_pb2=health_pb2, health_pb2_grpc=health_pb2_grpc)["response"]
    assert response.status == health_pb2.HealthCheckResponse.SERVING


def test_metrics(block):
    metrics = block("metrics", metrics_pb2=metrics_pb2, metrics_pb2_grpc=metrics_pb2_grpc)["metrics"]
    assert metrics.memories_total >= 4
    assert metrics.dimension == 3
    assert metrics.uptime_seconds > 0
