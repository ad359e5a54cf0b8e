"""Every RPC of the three contracts by every protocol that is not gRPC, each
spoken byte by byte: gRPC-Web, Connect, REST. What there is to call is read from
the contracts, so an RPC that is added has to be added here."""

from __future__ import annotations

import base64
import io
import json
import struct
import threading
import urllib.request
import uuid

import pytest
import user_pb2
import users_pb2
import users_pb2_grpc
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from user.v1 import user_pb2 as v1


class World:
    """What a case may use: people and names that nobody else has."""

    def __init__(self, channel):
        self.stub = users_pb2_grpc.UserServiceStub(channel)
        self.name = f"every-{uuid.uuid4()}"

    def email(self, index: int = 0) -> str:
        return f"{self.name}-{index}@example.com"

    def user(self) -> str:
        """The id of a user who is there."""
        request = users_pb2.CreateUserRequest(email=self.email(99), name="There")
        return self.stub.CreateUser(request, timeout=30).user.id


def user_named(name):
    return lambda world, answers: [answer.user.name for answer in answers] == [name]


CASES = {
    "user.v1.UserService": {
        "GetUser": (lambda w: [v1.GetUserRequest(id=w.user())], user_named("There")),
        "CreateUser": (
            lambda w: [v1.CreateUserRequest(email=w.email(), name="New", role=1)],
            user_named("New"),
        ),
        "UpdateUser": (lambda w: [v1.UpdateUserRequest(id=w.user(), name="Other")], user_named("Other")),
        "DeleteUser": (lambda w: [v1.DeleteUserRequest(id=w.user())], lambda w, a: len(a) == 1),
        "ListUsers": (
            lambda w: [v1.ListUsersRequest(page_size=3)],
            lambda w, a: [user.id for user in a] == ["1", "2", "3"],
        ),
        "BatchCreateUsers": (
            lambda w: [v1.CreateUserRequest(email=w.email(i), name=f"N{i}") for i in range(3)],
            lambda w, a: a[0].created_count == 3 and [u.name for u in a[0].users] == ["N0", "N1", "N2"],
        ),
        "SyncUsers": (
            lambda w: [
                v1.SyncUsersRequest(user=v1.User(email=w.email(i // 2), name="Synced")) for i in range(4)
            ],
            lambda w, a: [answer.status for answer in a] == [1, 3, 1, 3],
        ),
    },
    "users.v1.UserService": {
        "GetUser": (lambda w: [users_pb2.GetUserRequest(id=w.user())], user_named("There")),
        "CreateUser": (
            lambda w: [users_pb2.CreateUserRequest(email=w.email(), name="New", tags=["a", "b"])],
            lambda w, a: list(a[0].user.tags) == ["a", "b"],
        ),
        "UpdateUser": (lambda w: [users_pb2.UpdateUserRequest(id=w.user(), name="Other")], user_named("Other")),
        "DeleteUser": (lambda w: [users_pb2.DeleteUserRequest(id=w.user())], lambda w, a: len(a) == 1),
        "ListUsers": (
            lambda w: [users_pb2.ListUsersRequest(page_size=3)],
            lambda w, a: [user.id for user in a] == ["1", "2", "3"],
        ),
        # It has no end: the first change is taken, and the stream is left.
        "WatchUserChanges": (
            lambda w: [users_pb2.WatchUserChangesRequest()],
            lambda w, a: len(a) == 1 and a[0].user.id != "",
        ),
        "CreateUsers": (
            lambda w: [users_pb2.CreateUserRequest(email=w.email(i % 2), name="N") for i in range(3)],
            lambda w, a: (a[0].created_count, a[0].failed_count) == (2, 1),
        ),
        "UploadUserData": (
            lambda w: [
                users_pb2.UploadDataChunk(
                    metadata=users_pb2.UploadMetadata(filename="a.txt", total_size=3, content_type="text/plain")
                ),
                users_pb2.UploadDataChunk(chunk=b"ab"),
                users_pb2.UploadDataChunk(chunk=b"c"),
            ],
            lambda w, a: a[0].bytes_uploaded == 3
            and a[0].file_id == "file_ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        "Chat": (
            lambda w: [users_pb2.ChatMessage(user_id="me", content=text) for text in ("one", "two")],
            lambda w, a: [message.content for message in a] == ["one", "two"],
        ),
        "CollaborativeEdit": (
            lambda w: [
                users_pb2.EditOperation(document_id=w.name, user_id="me", type=1, text="Hello"),
                users_pb2.EditOperation(document_id=w.name, user_id="me", type=1, position=5, text="!"),
            ],
            lambda w, a: [(op.position, op.text) for op in a] == [(0, "Hello"), (5, "!")],
        ),
    },
    "user.UserService": {
        "GetUser": (lambda w: [user_pb2.GetUserRequest(id=2)], user_named("Jane Smith")),
        "ListUsers": (
            lambda w: [user_pb2.ListUsersRequest()],
            lambda w, a: [user.name for user in a[0].users][:2] == ["John Doe", "Jane Smith"],
        ),
    },
}

METHODS = {
    f"{service.full_name}/{method.name}": method
    for file in (v1.DESCRIPTOR, users_pb2.DESCRIPTOR, user_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
    for method in service.methods
}


def test_every_rpc_has_a_case():
    named = {f"{service}/{name}" for service, cases in CASES.items() for name in cases}
    assert named == set(METHODS)


def is_endless(method) -> bool:
    return method.name == "WatchUserChanges"


def send(address, path, body, headers, verb="POST"):
    request = urllib.request.Request(
        f"http://{address}{path}", data=body, headers=headers, method=verb
    )
    return urllib.request.urlopen(request, timeout=60)  # noqa: S310


def envelope(message: bytes, flags: int = 0) -> bytes:
    return struct.pack(">BI", flags, len(message)) + message


def envelopes(response):
    """The frames of a response, as they come."""
    while True:
        head = response.read(5)
        if not head:
            return
        flags, length = struct.unpack(">BI", head)
        yield flags, response.read(length)


def by_grpc_web(address, method, requests, answer, headers, text=False):
    body = b"".join(envelope(request.SerializeToString()) for request in requests)
    kind = "application/grpc-web-text" if text else "application/grpc-web+proto"
    response = send(
        address,
        f"/{method.containing_service.full_name}/{method.name}",
        base64.b64encode(body) if text else body,
        {"content-type": kind, "accept": kind, "x-grpc-web": "1", **headers},
    )
    if text:
        # Frames are encoded one by one, so their padding stands between them.
        decoded = b"".join(
            base64.b64decode(part) for part in split_base64(response.read().decode())
        )
        response = io.BytesIO(decoded)
    answers, trailers = [], None
    for flags, frame in envelopes(response):
        if flags & 0x80:
            trailers = frame.decode()
            break
        answers.append(answer.FromString(frame))
        if is_endless(method):
            response.close()
            return answers
    assert trailers is not None and "grpc-status:0" in trailers.replace(" ", "").split("\r\n"), trailers
    return answers


def split_base64(text: str):
    """The parts of text that end with padding, and what follows the last."""
    start = 0
    for place in range(0, len(text), 4):
        if text[place : place + 4].endswith("="):
            yield text[start : place + 4]
            start = place + 4
    if start < len(text):
        yield text[start:]


def by_grpc_web_text(address, method, requests, answer, headers):
    if is_endless(method):
        pytest.skip("the text of a stream without end has no end")
    return by_grpc_web(address, method, requests, answer, headers, text=True)


def by_connect(address, method, requests, answer, headers, codec="proto"):
    path = f"/{method.containing_service.full_name}/{method.name}"
    version = {"connect-protocol-version": "1", **headers}

    def encode(message):
        if codec == "json":
            return json_format.MessageToJson(message).encode()
        return message.SerializeToString()

    def decode(data):
        if codec == "json":
            return json_format.Parse(data, answer())
        return answer.FromString(data)

    if not (method.client_streaming or method.server_streaming):
        response = send(address, path, encode(requests[0]), {"content-type": f"application/{codec}", **version})
        return [decode(response.read())]
    body = b"".join(envelope(encode(request)) for request in requests)
    response = send(address, path, body, {"content-type": f"application/connect+{codec}", **version})
    answers, end = [], None
    for flags, frame in envelopes(response):
        if flags & 2:
            end = json.loads(frame)
            break
        answers.append(decode(frame))
        if is_endless(method):
            response.close()
            return answers
    assert end is not None and "error" not in end, end
    return answers


def by_connect_json(*call):
    return by_connect(*call, codec="json")


def by_rest(address, method, requests, answer, headers, route=None):
    """JSON at the path that every RPC has, or at another: an array or one message
    goes in, lines or one message come out."""
    verb, path = route or ("POST", f"/{method.containing_service.full_name}/{method.name}")
    documents = [json_format.MessageToDict(request) for request in requests]
    body = None
    if verb in ("POST", "PATCH", "PUT"):
        body = json.dumps(documents if method.client_streaming else documents[0]).encode()
    accept = "application/x-ndjson" if method.server_streaming else "application/json"
    sent = {"accept": accept, **headers}
    if body is not None:
        sent["content-type"] = "application/json"
    response = send(address, path, body, sent, verb)
    if not method.server_streaming:
        return [json_format.Parse(response.read(), answer())]
    answers = []
    for line in response:
        answers.append(json_format.Parse(line, answer()))
        if is_endless(method):
            response.close()
            break
    return answers


def by_annotated_rest(address, method, requests, answer, headers):
    """The paths of the contract, where it has any."""
    if method.containing_service.full_name != "user.v1.UserService":
        pytest.skip("the contract has no paths")
    first = requests[0]
    verb, path = {
        "GetUser": ("GET", "/v1/users/{id}"),
        "CreateUser": ("POST", "/v1/users"),
        "UpdateUser": ("PATCH", "/v1/users/{id}"),
        "DeleteUser": ("DELETE", "/v1/users/{id}"),
        "ListUsers": ("GET", "/v1/users?page_size={page_size}"),
        "BatchCreateUsers": ("POST", "/v1/users:batchCreate"),
        "SyncUsers": ("POST", "/v1/users:sync"),
    }[method.name]
    path = path.format(id=getattr(first, "id", ""), page_size=getattr(first, "page_size", 0))
    return by_rest(address, method, requests, answer, headers, (verb, path))


WAYS = [by_grpc_web, by_grpc_web_text, by_connect, by_connect_json, by_rest, by_annotated_rest]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.removeprefix("by_"))
@pytest.mark.parametrize("rpc", METHODS)
def test_every_rpc(address, channel, forgotten, rpc, way):
    method = METHODS[rpc]
    requests, is_right = CASES[method.containing_service.full_name][method.name]
    world = World(channel)
    answer = GetMessageClass(method.output_type)
    messages = requests(world)
    headers = {"x-room": world.name}
    if not is_endless(method):
        answers = way(address, method, messages, answer, headers)
    else:
        answers = changed_meanwhile(world, lambda: way(address, method, messages, answer, headers))
    assert is_right(world, answers), answers


def changed_meanwhile(world, call):
    """Changes a user again and again until the call has seen it."""
    result: list = []

    def watch():
        try:
            result.append(call())
        except BaseException as error:  # noqa: BLE001
            result.append(error)

    watching = threading.Thread(target=watch, daemon=True)
    one = world.user()
    watching.start()
    for attempt in range(600):
        request = users_pb2.UpdateUserRequest(id=one, name=f"Changed {attempt}")
        world.stub.UpdateUser(request, timeout=30)
        watching.join(0.05)
        if not watching.is_alive():
            break
    assert result, "nothing was seen"
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]
