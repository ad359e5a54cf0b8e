"""The Python clients of the gRPC skill, block by block (`skill/`), against
`users.v1.UserService`.

Each file there is one block as it stands; of two blocks the half that is the
server's is left out. They say `localhost:50051`; only that text is replaced, by
the address of the server under test. What a block takes for granted is put
before it:

- `users_pb2`: the skill's `users.proto` is our `users/v1/user.proto`, compiled
  under the skill's name for it (conftest.py).
- `stub`, in most blocks: what the first one made.
- `Timestamp`, in the chat, which the skill does not import.
- `request`, where the skill has dots.
"""

import os
import subprocess
from pathlib import Path

import grpc
import pytest
import users_pb2
import users_pb2_grpc
from google.protobuf.timestamp_pb2 import Timestamp

SKILL = Path(__file__).parent / "skill"


@pytest.fixture
def block(address, channel, capsys):
    """Runs a block and gives the names that it made and what it printed."""
    opened = []

    def run(name: str, changed: dict[str, str] | None = None, **prologue):
        path = SKILL / f"{name}.py"
        source = path.read_text("utf-8")
        for old, new in (changed or {}).items():
            assert old in source
            source = source.replace(old, new)
        source = source.replace("localhost:50051", address)
        names = {
            "grpc": grpc,
            "users_pb2": users_pb2,
            "users_pb2_grpc": users_pb2_grpc,
            "stub": users_pb2_grpc.UserServiceStub(channel),
            **prologue,
        }
        exec(compile(source, str(path), "exec"), names)  # noqa: S102
        opened.extend(value for value in names.values() if isinstance(value, grpc.Channel))
        return names, capsys.readouterr().out

    yield run
    for channel_of_a_block in opened:
        channel_of_a_block.close()


@pytest.fixture
def guarded(tmp_path):
    """A server that takes the skill's token and no other: its address."""
    tokens = tmp_path / "tokens"
    tokens.write_text("secret-token skill\n")
    tokens.chmod(0o600)
    server = subprocess.Popen(
        [
            os.environ["PORTOLAN_BINARY"],
            *("serve", "--only", "users", "--demo", "--listen", "127.0.0.1:0"),
            *("--data", tmp_path / "data", "--auth-tokens", tokens),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        line = server.stdout.readline().strip()
        assert line.startswith("listening on http://"), line
        yield line.removeprefix("listening on http://")
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_unary(block):
    # There is nobody with the skill's id.
    _, printed = block("unary")
    assert printed == "Error: StatusCode.NOT_FOUND - User 123 not found\n"
    _, printed = block("unary", {"'123'": "'1'"})
    assert printed == "User: John Doe\n"


def test_server_streaming(block):
    _, printed = block("server_streaming")
    lines = printed.splitlines()
    assert len(lines) <= 10
    assert lines[:2] == [
        "User: John Doe (john@example.com)",
        "User: Jane Smith (jane@example.com)",
    ]


def test_client_streaming(block, forgotten):
    _, printed = block("client_streaming")
    assert printed == "Created 5 users\n"
    # Once more, they are all there already.
    names, printed = block("client_streaming")
    assert printed == "Created 0 users\n"
    assert names["response"].failed_count == 5


def test_bidirectional(block):
    _, printed = block("bidirectional", Timestamp=Timestamp)
    # Alone in the room, the participant hears himself.
    assert printed == "user123: Hello\nuser123: How are you?\nuser123: Goodbye\n"


def test_error_handling(block):
    _, printed = block("error_handling")
    assert printed == "User not found\n"
    _, printed = block("error_handling", {"'123'": "'1'"})
    assert printed == "User: John Doe\n"
    _, printed = block("error_handling", {"'123'": "''"})
    assert printed == "Error: StatusCode.INVALID_ARGUMENT - User ID is required\n"


def test_client_interceptor(block):
    names, _ = block("client_interceptor")
    user = names["stub"].GetUser(users_pb2.GetUserRequest(id="1"), timeout=10).user
    assert user.name == "John Doe"


def test_client_interceptor_where_tokens_are_asked_for(block, guarded):
    names, _ = block("client_interceptor", {"localhost:50051": guarded})
    user = names["stub"].GetUser(users_pb2.GetUserRequest(id="1"), timeout=10).user
    assert user.name == "John Doe"
    # Without the interceptor, as the skill's other client has it.
    _, printed = block("error_handling", stub=users_pb2_grpc.UserServiceStub(names["channel"]))
    assert printed == "Authentication required\n"


def test_deadline(block):
    names, _ = block("deadline", request=users_pb2.GetUserRequest(id="1"))
    assert names["response"].user.name == "John Doe"


def test_metadata(block):
    names, _ = block("metadata", request=users_pb2.GetUserRequest(id="1"))
    assert names["response"].user.name == "John Doe"


def test_connection(block):
    names, _ = block("connection")
    # The options are those of the second channel; the first was closed.
    stub = users_pb2_grpc.UserServiceStub(names["channel"])
    assert stub.GetUser(users_pb2.GetUserRequest(id="1"), timeout=10).user.name == "John Doe"
    with pytest.raises(ValueError, match="closed channel"):
        names["stub"].GetUser(users_pb2.GetUserRequest(id="1"), timeout=10)
