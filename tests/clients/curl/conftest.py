"""Where the server under test listens, and curl as a function. The server of
this suite has the demo's memories; curl asks in their namespace unless the
arguments name another."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Answer:
    """What curl got."""

    status: int
    headers: dict[str, str]
    body: bytes
    trailers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


def _fields(lines: list[str]) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


@pytest.fixture(scope="session")
def address() -> str:
    value = os.environ.get("PORTOLAN_ADDRESS")
    if not value:
        pytest.exit("PORTOLAN_ADDRESS is not set; run `cargo xtask test curl`", returncode=1)
    return value


@pytest.fixture
def curl(address, tmp_path):
    """Runs curl on a path of the server, from the repository's root."""

    def run(path: str, *arguments: str, body: bytes | None = None) -> Answer:
        heads = tmp_path / "heads"
        command = ["curl", "--silent", "--show-error", "--globoff", "--max-time", "30"]
        command += ["--dump-header", str(heads), *arguments]
        if not any(argument.startswith("x-namespace:") for argument in arguments):
            command += ["-H", "x-namespace: demo"]
        if body is not None:
            command += ["--data-binary", "@-"]
        command.append(f"http://{address}{path}")
        done = subprocess.run(command, input=body, capture_output=True, cwd=ROOT, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        # Head, empty line, then the trailers if there are any. An interim 100
        # comes before the head.
        blocks = [b.splitlines() for b in heads.read_text("latin-1").replace("\r\n", "\n").split("\n\n")]
        blocks = [block for block in blocks if block and not block[0].startswith("HTTP/1.1 100")]
        return Answer(
            status=int(blocks[0][0].split()[1]),
            headers=_fields(blocks[0][1:]),
            body=done.stdout,
            trailers=_fields(sum(blocks[1:], [])),
        )

    return run
