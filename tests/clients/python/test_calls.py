"""Every RPC, called once or more as a Python program would call it."""

from datetime import datetime, timezone

import grpc
import pytest
from google.protobuf import empty_pb2
from somafractalmemory.v1 import memory_pb2 as pb
from somafractalmemory.v1 import metrics_pb2


def unit(dimension: int, axis: int) -> list[float]:
    return [1.0 if index == axis else 0.0 for index in range(dimension)]


def test_store_gives_the_whole_memory(memory):
    before = datetime.now(timezone.utc)
    stored = memory.StoreMemory(
        pb.StoreMemoryRequest(content="Grüße, 世界 🌍", metadata={"a": "1", "b": ""}, vector=unit(4, 0))
    )
    assert stored.content == "Grüße, 世界 🌍"
    assert dict(stored.metadata) == {"a": "1", "b": ""}
    assert list(stored.vector) == unit(4, 0)
    assert stored.id[14] == "7", "the id is a UUIDv7"
    created = datetime.strptime(stored.created_at, "%Y-%m-%dT%H:%M:%S.%fZ")
    assert abs((created.replace(tzinfo=timezone.utc) - before).total_seconds()) < 60
    assert len(stored.created_at) == len("2025-01-01T00:00:00.000000Z")


def test_get_gives_what_was_stored(memory):
    stored = memory.StoreMemory(pb.StoreMemoryRequest(content="kept", vector=[0.25, -3.5]))
    assert memory.GetMemory(pb.GetMemoryRequest(id=stored.id)) == stored


def test_delete_is_for_good(memory):
    stored = memory.StoreMemory(pb.StoreMemoryRequest(content="short-lived"))
    assert memory.DeleteMemory(pb.DeleteMemoryRequest(id=stored.id)) == empty_pb2.Empty()
    for call, request in (
        (memory.GetMemory, pb.GetMemoryRequest(id=stored.id)),
        (memory.DeleteMemory, pb.DeleteMemoryRequest(id=stored.id)),
    ):
        with pytest.raises(grpc.RpcError) as error:
            call(request)
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
        assert error.value.details() == "Memory not found"
    assert not memory.SearchText(pb.SearchTextRequest(query="short")).memories
    assert list(memory.StreamMemories(pb.StreamMemoriesRequest())) == []


@pytest.fixture
def fruit(memory):
    """Four memories; the last has no vector."""
    return [
        memory.StoreMemory(pb.StoreMemoryRequest(content=content, metadata=metadata, vector=vector))
        for content, metadata, vector in (
            ("a red apple from the garden", {"kind": "fruit", "colour": "red"}, [1, 0, 0]),
            ("a green apple", {"kind": "fruit", "colour": "green"}, [0.8, 0.6, 0]),
            ("a red fire engine", {"kind": "car", "colour": "red"}, [0, 0, 1]),
            ("an apple without a vector", {"kind": "fruit"}, []),
        )
    ]


@pytest.mark.parametrize("exact", [False, True])
def test_search_by_vector(memory, fruit, exact):
    red, green, engine, _ = fruit
    found = memory.SearchVector(pb.SearchVectorRequest(vector=[2, 0, 0], exact=exact))
    assert [m.id for m in found.memories] == [red.id, green.id, engine.id]
    assert list(found.scores) == pytest.approx([1.0, 0.8, 0.0], abs=1e-5)
    found = memory.SearchVector(pb.SearchVectorRequest(vector=[1, 0, 0], limit=1, exact=exact))
    assert [m.id for m in found.memories] == [red.id]
    found = memory.SearchVector(pb.SearchVectorRequest(vector=[1, 0, 0], threshold=0.5, exact=exact))
    assert [m.id for m in found.memories] == [red.id, green.id]
    found = memory.SearchVector(
        pb.SearchVectorRequest(vector=[1, 0, 0], filters={"colour": "red", "kind": "car"}, exact=exact)
    )
    assert [m.id for m in found.memories] == [engine.id]


def test_search_by_words(memory, fruit):
    red, green, _, plain = fruit
    found = memory.SearchText(pb.SearchTextRequest(query="apple"))
    assert {m.id for m in found.memories} == {red.id, green.id, plain.id}
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert all(score > 0 for score in found.scores)
    found = memory.SearchText(pb.SearchTextRequest(query="apple", filters={"colour": "red"}))
    assert [m.id for m in found.memories] == [red.id]
    assert len(memory.SearchText(pb.SearchTextRequest(query="apple", limit=2)).memories) == 2
    assert not memory.SearchText(pb.SearchTextRequest(query="submarine")).memories


def test_search_by_both(memory, fruit):
    red, green, engine, plain = fruit
    found = memory.SearchHybrid(pb.SearchHybridRequest(query="green apple", vector=[0.8, 0.6, 0]))
    assert found.memories[0].id == green.id
    assert {m.id for m in found.memories} == {red.id, green.id, engine.id, plain.id}
    # The best of both rankings scores 1 / (60 + 1) in each.
    assert found.scores[0] == pytest.approx(2 / 61, rel=1e-4)


def test_stream_everything_oldest_first(memory, fruit):
    streamed = list(memory.StreamMemories(pb.StreamMemoriesRequest()))
    assert streamed == fruit


def test_stream_by_words_and_labels(memory, fruit):
    request = pb.StreamMemoriesRequest(query="apple", filters={"colour": "green"})
    assert [m.id for m in memory.StreamMemories(request)] == [fruit[1].id]


def test_batch_reports_bad_items_and_stores_the_others(memory):
    requests = [
        pb.StoreMemoryRequest(content="good", vector=[1, 0]),
        pb.StoreMemoryRequest(content="too long", vector=[1, 0, 0]),
        pb.StoreMemoryRequest(content="also good", vector=[0, 1]),
        pb.StoreMemoryRequest(content="nowhere", vector=[0, 0]),
    ]
    answer = memory.BatchStoreMemories(iter(requests))
    assert answer.stored_count == 2
    streamed = list(memory.StreamMemories(pb.StreamMemoriesRequest()))
    assert [m.id for m in streamed] == list(answer.ids)
    assert [m.content for m in streamed] == ["good", "also good"]
    assert [(f.index, f.code) for f in answer.failures] == [(1, 3), (3, 3)]
    assert answer.failures[0].message == "Invalid vector dimension: expected 2, got 3"


def test_an_empty_batch_stores_nothing(memory):
    assert memory.BatchStoreMemories(iter([])) == pb.BatchStoreMemoriesResponse()


def test_metrics_count(memory, metrics, fruit):
    figures = metrics.GetMetrics(metrics_pb2.GetMetricsRequest())
    assert (figures.memories_total, figures.vectors_total, figures.dimension) == (4, 3, 3)
    assert figures.disk_bytes > 0
    assert figures.uptime_seconds > 0
    by_method = {figure.method: figure for figure in figures.methods}
    stores = by_method["somafractalmemory.v1.MemoryService/StoreMemory"]
    assert stores.calls >= 4
    assert stores.codes["OK"] >= 4
    assert sum(stores.codes.values()) == stores.calls
    assert 0 < stores.p50_ms <= stores.p95_ms <= stores.p99_ms


def test_namespaces_are_apart(channel, memory, namespace):
    from conftest import Here
    from somafractalmemory.v1 import memory_pb2_grpc

    other = Here(memory_pb2_grpc.MemoryServiceStub(channel), f"{namespace}-other")
    mine = memory.StoreMemory(pb.StoreMemoryRequest(content="mine", vector=[1, 0]))
    # Another namespace has a dimension of its own.
    other.StoreMemory(pb.StoreMemoryRequest(content="theirs", vector=[1, 0, 0]))
    with pytest.raises(grpc.RpcError) as error:
        other.GetMemory(pb.GetMemoryRequest(id=mine.id))
    assert error.value.code() == grpc.StatusCode.NOT_FOUND
    assert [m.content for m in memory.StreamMemories(pb.StreamMemoriesRequest())] == ["mine"]
    assert [m.content for m in other.StreamMemories(pb.StreamMemoriesRequest())] == ["theirs"]


@pytest.mark.parametrize("scale", [1e-30, 1e38])
def test_scores_hold_at_any_scale(memory, scale):
    """Squares of such components overflow or vanish in single precision."""
    memory.StoreMemory(pb.StoreMemoryRequest(content="x", vector=[scale, scale]))
    found = memory.SearchVector(pb.SearchVectorRequest(vector=[scale, 0]))
    assert list(found.scores) == pytest.approx([0.70710678], abs=1e-5)
