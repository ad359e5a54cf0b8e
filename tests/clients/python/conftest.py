"""What every test of this suite shares: the stubs, generated from the contracts
at the start of the run, and connections to the server under test."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import grpc_tools
import pytest
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[3]
CLIENTS = Path(os.environ.get("PORTOLAN_CLIENTS", ROOT / "target/clients"))


def generate_stubs() -> None:
    """Generates the stubs below the build folder and makes them importable.

    The contracts under google/api come ready-made from googleapis-common-protos.
    """
    folder = CLIENTS / "python"
    folder.mkdir(parents=True, exist_ok=True)
    compile_to(
        folder,
        ROOT / "proto",
        "somafractalmemory/v1/memory.proto",
        "somafractalmemory/v1/metrics.proto",
    )
    # The tutorial's client has it beside itself.
    compile_to(folder, ROOT / "proto/user", "user.proto")
    compile_to(folder, ROOT / "proto", "user/v1/user.proto")
    # The skill's clients know this contract by another name: protoc takes
    # `NAME=FILE` for a root with one file.
    compile_to(folder, f"users.proto={ROOT / 'proto/users/v1/user.proto'}", "users.proto")
    sys.path.insert(0, str(folder))


def compile_to(folder: Path, root: Path | str, *files: str) -> None:
    """Generates the stubs of contracts below a root."""
    code = protoc.main(
        [
            "protoc",
            f"-I{root}",
            # Where grpcio-tools keeps google/protobuf.
            f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
            f"--python_out={folder}",
            f"--grpc_python_out={folder}",
            *files,
        ]
    )
    if code != 0:
        pytest.exit(f"protoc ended with {code}", returncode=1)


# The test modules import the stubs, and pytest imports this file before them.
generate_stubs()

import grpc  # noqa: E402
import users_pb2  # noqa: E402
import users_pb2_grpc  # noqa: E402
from somafractalmemory.v1 import memory_pb2_grpc, metrics_pb2_grpc  # noqa: E402


@pytest.fixture(scope="session")
def address() -> str:
    """Where the server under test listens."""
    value = os.environ.get("PORTOLAN_ADDRESS")
    if not value:
        pytest.exit("PORTOLAN_ADDRESS is not set; run `cargo xtask test python`", returncode=1)
    return value


@pytest.fixture
def channel(address):
    with grpc.insecure_channel(address) as channel:
        yield channel


@pytest.fixture
def namespace(request) -> str:
    """A name that no other test uses."""
    return re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:64]


class Here:
    """A stub whose calls all work in one namespace and give up after a minute."""

    def __init__(self, stub, namespace: str):
        self._stub = stub
        self._metadata = [("x-namespace", namespace)]

    def __getattr__(self, name: str):
        call = getattr(self._stub, name)

        def in_namespace(request, timeout: float = 60, **options):
            return call(request, metadata=self._metadata, timeout=timeout, **options)

        return in_namespace


@pytest.fixture
def memory(channel, namespace):
    return Here(memory_pb2_grpc.MemoryServiceStub(channel), namespace)


@pytest.fixture
def metrics(channel, namespace):
    return Here(metrics_pb2_grpc.MetricsStub(channel), namespace)


@pytest.fixture
def forgotten(channel):
    """Removes the users that a test made: others expect those of the demo."""
    stub = users_pb2_grpc.UserServiceStub(channel)

    def ids() -> set[str]:
        request = users_pb2.ListUsersRequest(page_size=1000)
        return {user.id for user in stub.ListUsers(request, timeout=10)}

    before = ids()
    yield
    for made in ids() - before:
        stub.DeleteUser(users_pb2.DeleteUserRequest(id=made), timeout=10)
