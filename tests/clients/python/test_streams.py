"""Long streams, slow readers, cancelled calls, deadlines, compression."""

import base64
import random
import threading
import time

import grpc
import pytest
from conftest import Here
from somafractalmemory.v1 import memory_pb2 as pb
from somafractalmemory.v1 import memory_pb2_grpc, metrics_pb2

STREAM = "somafractalmemory.v1.MemoryService/StreamMemories"


def noise(characters: int) -> str:
    """Text that no compression shortens: grpcio asks for gzip, and a stream that
    shrank to nothing would be over before it can be slow."""
    return base64.b64encode(random.randbytes(characters * 3 // 4)).decode()


def batch(memory, count: int, size: int):
    requests = (
        pb.StoreMemoryRequest(content=f"memory {index} {noise(size)}") for index in range(count)
    )
    answer = memory.BatchStoreMemories(requests)
    assert answer.stored_count == count, answer.failures[:3]
    return list(answer.ids)


def finished_streams(metrics) -> int:
    figures = metrics.GetMetrics(metrics_pb2.GetMetricsRequest())
    return sum(figure.calls for figure in figures.methods if figure.method == STREAM)


def test_a_slow_reader_slows_the_server(address, namespace, memory, metrics):
    """Twenty megabytes are more than any flow-control window: while the reader
    waits the call cannot be over, and the figures count a call when it is."""
    ids = batch(memory, 1_000, 20_000)
    before = finished_streams(metrics)
    options = [("grpc.http2.lookahead_bytes", 64 << 10), ("grpc.http2.bdp_probe", 0)]
    with grpc.insecure_channel(address, options=options) as narrow:
        slow = Here(memory_pb2_grpc.MemoryServiceStub(narrow), namespace)
        stream = slow.StreamMemories(pb.StreamMemoriesRequest())
        received = [next(stream).id for _ in range(10)]
        time.sleep(1)
        assert finished_streams(metrics) == before
        # Others are served meanwhile, and what they store is not in the snapshot.
        memory.StoreMemory(pb.StoreMemoryRequest(content="too late for the stream"))
        received += [m.id for m in stream]
    assert received == ids
    deadline = time.monotonic() + 5
    while finished_streams(metrics) != before + 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert finished_streams(metrics) == before + 1


def test_a_batch_of_ten_thousand(memory, metrics):
    vectors = [[float((index * 31 + axis * 17) % 97 + 1) for axis in range(384)] for index in range(16)]
    requests = (
        pb.StoreMemoryRequest(content=f"item {index}", metadata={"n": str(index)}, vector=vectors[index % 16])
        for index in range(10_000)
    )
    answer = memory.BatchStoreMemories(requests)
    assert answer.stored_count == 10_000
    assert len(set(answer.ids)) == 10_000
    assert list(answer.ids) == sorted(answer.ids), "ids grow with the order of storing"
    figures = metrics.GetMetrics(metrics_pb2.GetMetricsRequest())
    assert (figures.memories_total, figures.vectors_total) == (10_000, 10_000)
    assert memory.GetMemory(pb.GetMemoryRequest(id=answer.ids[-1])).content == "item 9999"


def test_a_cancelled_stream(memory):
    batch(memory, 1_000, 5_000)
    for _ in range(20):
        stream = memory.StreamMemories(pb.StreamMemoriesRequest())
        next(stream)
        stream.cancel()
        with pytest.raises(grpc.RpcError) as error:
            for _ in stream:
                pass
        assert error.value.code() == grpc.StatusCode.CANCELLED
    assert len(list(memory.StreamMemories(pb.StreamMemoriesRequest()))) == 1_000


def test_a_client_that_vanishes(address, namespace, memory):
    batch(memory, 1_000, 5_000)
    for _ in range(5):
        channel = grpc.insecure_channel(address)
        stream = Here(memory_pb2_grpc.MemoryServiceStub(channel), namespace).StreamMemories(
            pb.StreamMemoriesRequest()
        )
        next(stream)
        channel.close()
    assert len(list(memory.StreamMemories(pb.StreamMemoriesRequest()))) == 1_000


def test_a_deadline_ends_a_batch_that_never_ends(memory):
    go_on = threading.Event()

    def requests():
        yield pb.StoreMemoryRequest(content="one")
        go_on.wait(30)

    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as error:
        memory.BatchStoreMemories(requests(), timeout=0.5)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.4 < time.monotonic() - started < 5
    go_on.set()
    assert memory.StoreMemory(pb.StoreMemoryRequest(content="two")).content == "two"


def test_a_deadline_ends_a_stream(memory):
    batch(memory, 1_000, 20_000)
    stream = memory.StreamMemories(pb.StreamMemoriesRequest(), timeout=1)
    next(stream)
    time.sleep(1.2)
    with pytest.raises(grpc.RpcError) as error:
        for _ in stream:
            pass
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_compression_both_ways(address, namespace):
    with grpc.insecure_channel(address, compression=grpc.Compression.Gzip) as channel:
        memory = Here(memory_pb2_grpc.MemoryServiceStub(channel), namespace)
        # Over the limit when it is sent as it is, under it when compressed: the
        # limit is for the message, so this is refused all the same.
        with pytest.raises(grpc.RpcError) as error:
            memory.StoreMemory(pb.StoreMemoryRequest(content="a" * (5 << 20)))
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        ids = batch(memory, 100, 10_000)
        assert [m.id for m in memory.StreamMemories(pb.StreamMemoriesRequest())] == ids
        found = memory.SearchText(pb.SearchTextRequest(query="memory", limit=100))
        assert {m.id for m in found.memories} == set(ids)
