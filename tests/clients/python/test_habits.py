"""What clients of gRPC are used to: pings while nothing is said, compression of
one call, metadata both ways, details of errors, reflection of every contract."""

import threading

import grpc
import pytest
import user_pb2
import user_pb2_grpc
import users_pb2
import users_pb2_grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status
from user.v1 import user_pb2 as v1
from user.v1 import user_pb2_grpc as v1_grpc

JOHN = users_pb2.GetUserRequest(id="1")


def test_pings_while_nothing_is_said(address):
    """A client that pings ten times a second, also without calls, is no flood."""
    options = [
        ("grpc.keepalive_time_ms", 100),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 100),
    ]
    with grpc.insecure_channel(address, options=options) as channel:
        stub = users_pb2_grpc.UserServiceStub(channel)
        goes_on = threading.Event()

        def messages():
            yield users_pb2.ChatMessage(user_id="quiet", content="before")
            goes_on.wait(60)
            yield users_pb2.ChatMessage(user_id="quiet", content="after")

        heard = stub.Chat(messages(), metadata=[("x-room", "pings")], timeout=60)
        assert next(heard).content == "before"
        # Time is what is tested here: the stream is silent for some twenty pings.
        goes_on.wait(2)
        goes_on.set()
        assert next(heard).content == "after"
        assert list(heard) == []
        # And the connection is the same one, still well, without a call.
        threading.Event().wait(0.5)
        assert stub.GetUser(JOHN, timeout=10).user.name == "John Doe"


def test_compression_of_one_call(channel):
    stub = users_pb2_grpc.UserServiceStub(channel)
    plain, gzip = grpc.Compression.NoCompression, grpc.Compression.Gzip
    for compression in (gzip, plain, gzip):
        user = stub.GetUser(JOHN, compression=compression, timeout=10).user
        assert user.name == "John Doe"
        # A stream of messages long enough to be compressed.
        said = [
            users_pb2.ChatMessage(user_id="me", content=f"{index} " + "the same words " * 500)
            for index in range(5)
        ]
        heard = stub.Chat(
            iter(said), compression=compression, metadata=[("x-room", "compressed")], timeout=10
        )
        assert [message.content for message in heard] == [message.content for message in said]


def test_request_ids(channel):
    stub = users_pb2_grpc.UserServiceStub(channel)
    _, call = stub.GetUser.with_call(JOHN, metadata=[("x-request-id", "abc-123")], timeout=10)
    assert dict(call.initial_metadata())["x-request-id"] == "abc-123"
    made = set()
    for _ in range(2):
        _, call = stub.GetUser.with_call(JOHN, timeout=10)
        made.add(dict(call.initial_metadata())["x-request-id"])
    assert len(made) == 2
    # Streams have one, and so have errors.
    listed = stub.ListUsers(users_pb2.ListUsersRequest(page_size=1), timeout=10)
    assert len(list(listed)) == 1
    assert dict(listed.initial_metadata())["x-request-id"]
    with pytest.raises(grpc.RpcError) as error:
        stub.GetUser(users_pb2.GetUserRequest(id="999999"), timeout=10)
    everything = dict(error.value.initial_metadata()) | dict(error.value.trailing_metadata())
    assert everything["x-request-id"]


@pytest.mark.parametrize("contract", [(v1, v1_grpc), (users_pb2, users_pb2_grpc)])
def test_the_next_page_is_in_the_trailers(channel, contract):
    messages, stubs = contract
    stub = stubs.UserServiceStub(channel)
    seen, token = [], ""
    for _ in range(100):
        request = messages.ListUsersRequest(page_size=2, page_token=token)
        page = stub.ListUsers(request, timeout=10)
        seen.extend(user.id for user in page)
        trailers = dict(page.trailing_metadata())
        assert dict(page.initial_metadata()).get("next-page-token") == trailers.get("next-page-token")
        token = trailers.get("next-page-token")
        if token is None:
            break
    assert len(seen) >= 5
    assert seen == sorted(set(seen), key=int)


@pytest.mark.parametrize("contract", [(v1, v1_grpc), (users_pb2, users_pb2_grpc)])
def test_details_of_errors(channel, contract):
    messages, stubs = contract
    stub = stubs.UserServiceStub(channel)
    with pytest.raises(grpc.RpcError) as error:
        stub.CreateUser(messages.CreateUserRequest(email="no address", name=""), timeout=10)
    status = rpc_status.from_call(error.value)
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert status.message == error.value.details()
    bad = error_details_pb2.BadRequest()
    (detail,) = status.details
    assert detail.Unpack(bad)
    assert {violation.field for violation in bad.field_violations} == {"email", "name"}
    assert all(violation.description for violation in bad.field_violations)
    # An error without details has none.
    with pytest.raises(grpc.RpcError) as error:
        stub.GetUser(messages.GetUserRequest(id="999999"), timeout=10)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("service", "file"),
    [
        ("user.v1.UserService", v1.DESCRIPTOR),
        ("users.v1.UserService", users_pb2.DESCRIPTOR),
        ("user.UserService", user_pb2.DESCRIPTOR),
    ],
)
def test_reflection_of_every_contract(channel, service, file):
    """What is reflected is what the stubs were made of, and can be called."""
    database = ProtoReflectionDescriptorDatabase(channel)
    assert service in database.get_services()
    reflected = DescriptorPool(database).FindServiceByName(service)
    ours = file.services_by_name["UserService"]

    def shape(of):
        return {
            method.name: (
                method.client_streaming,
                method.server_streaming,
                fields(method.input_type),
                fields(method.output_type),
            )
            for method in of.methods
        }

    def fields(message):
        return [(field.name, field.number, field.type, field.is_repeated) for field in message.fields]

    assert shape(reflected) == shape(ours)
    # No stub is needed to call.
    method = reflected.methods_by_name["GetUser"]
    request, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    call = channel.unary_unary(
        f"/{service}/GetUser",
        request_serializer=request.SerializeToString,
        response_deserializer=answer.FromString,
    )
    one = 1 if service == "user.UserService" else "1"
    assert call(request(id=one), timeout=10).user.name == "John Doe"


def test_one_directory_behind_three_contracts(channel, forgotten):
    """What is made through one contract is seen through the others."""
    made = v1_grpc.UserServiceStub(channel).CreateUser(
        v1.CreateUserRequest(email="habit@example.com", name="Habit"), timeout=10
    )
    one = made.user.id
    seen = users_pb2_grpc.UserServiceStub(channel).GetUser(users_pb2.GetUserRequest(id=one), timeout=10)
    assert (seen.user.name, seen.user.email) == ("Habit", "habit@example.com")
    small = user_pb2_grpc.UserServiceStub(channel).GetUser(
        user_pb2.GetUserRequest(id=int(one)), timeout=10
    )
    assert (small.user.id, small.user.name) == (int(one), "Habit")
