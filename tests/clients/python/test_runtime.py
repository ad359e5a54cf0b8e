"""What tools expect of any gRPC server: health and reflection."""

import threading

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2 as reflection
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

SERVICES = (
    "somafractalmemory.v1.MemoryService",
    "somafractalmemory.v1.Metrics",
    "user.v1.UserService",
    "users.v1.UserService",
    "user.UserService",
)
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_health_of_each_service(channel, service):
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=service)
    assert stub.Check(request, timeout=10).status == SERVING
    watch = stub.Watch(request, timeout=10)
    assert next(watch).status == SERVING
    # Nothing changes, so nothing more comes.
    more = []
    reader = threading.Thread(target=lambda: more.extend(_until_the_end(watch)), daemon=True)
    reader.start()
    reader.join(0.3)
    assert reader.is_alive()
    watch.cancel()
    reader.join(5)
    assert more == []


def _until_the_end(watch):
    try:
        yield from watch
    except grpc.RpcError:
        return


def test_health_of_an_unknown_service(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service="no.such.Service")
    with pytest.raises(grpc.RpcError) as error:
        stub.Check(request, timeout=10)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND
    # A watch waits for the service to come, as grpc.health.v1 says.
    watch = stub.Watch(request, timeout=10)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


def test_reflection_describes_every_method(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(SERVICES) <= set(database.get_services())
    assert "grpc.health.v1.Health" in database.get_services()
    service = DescriptorPool(database).FindServiceByName(SERVICES[0])
    assert {method.name for method in service.methods} == {
        "StoreMemory",
        "GetMemory",
        "DeleteMemory",
        "SearchVector",
        "SearchText",
        "SearchHybrid",
        "StreamMemories",
        "BatchStoreMemories",
    }


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_both_versions_of_reflection(channel, version):
    """The two have the same messages, so one set of classes speaks both."""
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection.ServerReflectionResponse.FromString,
    )
    requests = [
        reflection.ServerReflectionRequest(list_services=""),
        reflection.ServerReflectionRequest(file_containing_symbol=SERVICES[0]),
        reflection.ServerReflectionRequest(file_by_filename="google/api/http.proto"),
        reflection.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
    ]
    answers = list(call(iter(requests), timeout=10))
    assert len(answers) == 4
    names = {service.name for service in answers[0].list_services_response.service}
    assert set(SERVICES) <= names
    assert answers[1].file_descriptor_response.file_descriptor_proto
    assert answers[2].file_descriptor_response.file_descriptor_proto
    assert answers[3].error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
