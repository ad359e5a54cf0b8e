"""gRPC and gRPC-Web byte by byte, with curl as the transport."""

import base64
import struct

SEARCH = "/somafractalmemory.v1.MemoryService/SearchText"
GET = "/somafractalmemory.v1.MemoryService/GetMemory"


def frame(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


def frames(body: bytes) -> list[tuple[int, bytes]]:
    found = []
    while body:
        flag, length = struct.unpack(">BI", body[:5])
        found.append((flag, body[5 : 5 + length]))
        body = body[5 + length :]
    return found


# SearchTextRequest{query: "piano keyboard", limit: 1}
PIANO = b"\x0a\x0epiano keyboard\x10\x01"


def test_grpc(curl):
    answer = curl(
        SEARCH,
        "--http2-prior-knowledge",
        *("-H", "content-type: application/grpc", "-H", "te: trailers"),
        body=frame(PIANO),
    )
    assert answer.status == 200
    assert answer.trailers["grpc-status"] == "0"
    ((flag, message),) = frames(answer.body)
    assert flag == 0
    assert b"piano: a keyboard instrument" in message


def test_grpc_error(curl):
    answer = curl(
        GET,
        "--http2-prior-knowledge",
        *("-H", "content-type: application/grpc", "-H", "te: trailers"),
        body=frame(b"\x0a\x01x"),
    )
    assert answer.status == 200
    fields = {**answer.headers, **answer.trailers}
    assert fields["grpc-status"] == "5"
    assert fields["grpc-message"] == "Memory not found"


def test_grpc_web(curl):
    answer = curl(SEARCH, "-H", "content-type: application/grpc-web+proto", body=frame(PIANO))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    (flag, message), (last_flag, trailers) = frames(answer.body)
    assert (flag, last_flag) == (0, 0x80)
    assert b"piano: a keyboard instrument" in message
    assert b"grpc-status: 0" in trailers.replace(b"grpc-status:0", b"grpc-status: 0")


def test_grpc_web_text(curl):
    answer = curl(
        SEARCH,
        *("-H", "content-type: application/grpc-web-text", "-H", "accept: application/grpc-web-text"),
        body=base64.b64encode(frame(PIANO)),
    )
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/grpc-web-text")
    # Base64 may be padded at the end of every piece.
    decoded = b"".join(
        base64.b64decode(answer.body[start : start + 4]) for start in range(0, len(answer.body), 4)
    )
    assert [flag for flag, _ in frames(decoded)] == [0, 0x80]
    assert b"piano: a keyboard instrument" in decoded


def test_a_length_of_four_gigabytes(curl):
    for content_type in ("application/grpc-web+proto", "application/connect+proto"):
        answer = curl(
            SEARCH, "-H", f"content-type: {content_type}", body=b"\x00\xff\xff\xff\xff" + PIANO
        )
        assert answer.status < 500, answer.body
    assert curl("/v1/metrics").status == 200
