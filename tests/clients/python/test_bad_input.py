"""What a client may do wrong, and the status it gets; the server goes on."""

import grpc
import pytest
from somafractalmemory.v1 import memory_pb2 as pb

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
ABSENT = "00000000-0000-7000-8000-000000000000"
SERVICE = "/somafractalmemory.v1.MemoryService"


@pytest.fixture(autouse=True)
def stored(memory):
    """Fixes the dimension before the test, and asks after it for the memory."""
    stored = memory.StoreMemory(pb.StoreMemoryRequest(content="first", vector=[1.0] + [0.0] * 383))
    yield stored
    assert memory.GetMemory(pb.GetMemoryRequest(id=stored.id)) == stored


def refused(call, request, code, text=""):
    with pytest.raises(grpc.RpcError) as error:
        call(request)
    assert error.value.code() == code, error.value
    assert text in error.value.details(), error.value
    return error.value


def vector_384(value, index):
    vector = [0.5] * 384
    vector[index] = value
    return vector


def test_wrong_dimension(memory):
    expected = "Invalid vector dimension: expected 384, got 3"
    for call, request in (
        (memory.StoreMemory, pb.StoreMemoryRequest(content="x", vector=[0.1, 0.2, 0.3])),
        (memory.SearchVector, pb.SearchVectorRequest(vector=[0.1, 0.2, 0.3])),
        (memory.SearchHybrid, pb.SearchHybridRequest(query="x", vector=[0.1, 0.2, 0.3])),
    ):
        assert refused(call, request, INVALID).details() == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_components_that_are_no_numbers(memory, value):
    for call, message in ((memory.StoreMemory, pb.StoreMemoryRequest), (memory.SearchVector, pb.SearchVectorRequest)):
        refused(call, message(vector=vector_384(value, 17)), INVALID, "17")


def test_a_vector_of_zeros(memory):
    for call, message in ((memory.StoreMemory, pb.StoreMemoryRequest), (memory.SearchVector, pb.SearchVectorRequest)):
        refused(call, message(vector=[0.0] * 384), INVALID)


@pytest.mark.parametrize("limit", [-1, 1_001])
def test_limits_out_of_range(memory, limit, stored):
    refused(memory.SearchVector, pb.SearchVectorRequest(vector=stored.vector, limit=limit), INVALID)
    refused(memory.SearchText, pb.SearchTextRequest(query="first", limit=limit), INVALID)
    refused(
        memory.SearchHybrid,
        pb.SearchHybridRequest(query="first", vector=stored.vector, limit=limit),
        INVALID,
    )


def test_ids(memory):
    for call, message in ((memory.GetMemory, pb.GetMemoryRequest), (memory.DeleteMemory, pb.DeleteMemoryRequest)):
        refused(call, message(), INVALID)
        assert refused(call, message(id=ABSENT), NOT_FOUND).details() == "Memory not found"
        # What is no UUID is the id of no memory.
        assert refused(call, message(id="no-uuid"), NOT_FOUND).details() == "Memory not found"


def test_a_message_over_the_limit(memory):
    error = refused(
        memory.StoreMemory,
        pb.StoreMemoryRequest(content="a" * (5 << 20)),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    )
    # The text names the limit and the size, in bytes.
    assert str(4 << 20) in error.details()
    assert str(len(pb.StoreMemoryRequest(content="a" * (5 << 20)).SerializeToString())) in error.details()


def test_a_message_just_under_the_limit(memory):
    content = "a" * ((4 << 20) - 1_000)
    stored = memory.StoreMemory(pb.StoreMemoryRequest(content=content))
    assert memory.DeleteMemory(pb.DeleteMemoryRequest(id=stored.id)) is not None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x0a\xff\xff\xff\xff\x0f", id="a field longer than its message"),
        pytest.param(b"\x0a\x02\xc3\x28", id="text that is not UTF-8"),
        pytest.param(b"\xff" * 11, id="an endless varint"),
        pytest.param(b"\x0b" * 200, id="groups without an end"),
    ],
)
def test_bytes_that_are_no_message(channel, body):
    call = channel.unary_unary(f"{SERVICE}/StoreMemory")
    with pytest.raises(grpc.RpcError) as error:
        call(body, timeout=10)
    assert error.value.code() in (INVALID, grpc.StatusCode.INTERNAL)


def test_an_unknown_method_and_an_unknown_service(channel):
    for path in (f"{SERVICE}/NoSuchMethod", "/no.such.Service/Method"):
        refused(channel.unary_unary(path), b"", grpc.StatusCode.UNIMPLEMENTED)


def test_a_method_called_in_the_wrong_way(channel):
    """Two requests where the method takes one."""
    call = channel.stream_unary(f"{SERVICE}/GetMemory")
    with pytest.raises(grpc.RpcError) as error:
        call(iter([b"", b""]), timeout=10)
    assert error.value.code() in (INVALID, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED)
