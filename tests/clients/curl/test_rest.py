"""REST with nothing but curl, as in the README: the demo is there, memories go
in and come out, streams have three forms, mistakes have their status."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
JSON = ("-H", "content-type: application/json")
QUERIES = [
    json.loads(line)
    for line in (ROOT / "crates/portolan/demo/queries.jsonl").read_text("utf-8").splitlines()
]


def contents(answer):
    return [memory["content"] for memory in answer.json()["memories"]]


def test_the_search_of_the_readme(curl):
    answer = curl("/v1/memories:search", *JSON, "-d", "@examples/search.json")
    assert answer.status == 200, answer.text
    assert contents(answer) == [top["content"] for top in QUERIES[0]["expected"][:2]]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query["query"])
def test_the_demo_finds_by_meaning(curl, query):
    body = json.dumps({"vector": query["vector"], "limit": 3}).encode()
    answer = curl("/v1/memories:search", *JSON, body=body)
    assert answer.status == 200, answer.text
    assert contents(answer) == [top["content"] for top in query["expected"]]
    assert answer.json()["scores"] == pytest.approx(
        [top["score"] for top in query["expected"]], abs=2e-4
    )


def test_the_demo_finds_by_words(curl):
    answer = curl("/v1/memories:searchText", *JSON, "-d", '{"query":"keyboard instrument","limit":3}')
    assert answer.status == 200, answer.text
    assert contents(answer)[0].startswith("piano:")
    answer = curl(
        "/v1/memories:searchText", *JSON, "-d", '{"query":"milk","limit":9,"filters":{"topic":"food"}}'
    )
    assert answer.json()["memories"]
    assert all(m["metadata"]["topic"] == "food" for m in answer.json()["memories"])


def test_the_demo_is_complete(curl):
    answer = curl("/v1/metrics")
    assert answer.json()["memoriesTotal"] == "2455"
    assert answer.json()["vectorsTotal"] == "2455"
    assert answer.json()["dimension"] == 384


def test_store_read_delete(curl):
    own = ("-H", "x-namespace: curl-unary")
    stored = curl("/v1/memories", *own, *JSON, "-d", '{"content":"by curl","vector":[1,0.5]}')
    assert stored.status == 200, stored.text
    path = f"/v1/memories/{stored.json()['id']}"
    assert curl(path, *own).json() == stored.json()
    assert curl(path).status == 404, "another namespace"
    gone = curl(path, *own, "-X", "DELETE")
    assert (gone.status, gone.text) == (200, "{}")
    assert curl(path, *own).status == 404


def test_the_other_routes_to_a_method(curl):
    request = '{"query":"piano","limit":1}'
    service = "/somafractalmemory.v1.MemoryService"
    answers = [
        curl(path, *JSON, *more, "-d", request)
        for path, *more in (
            ("/v1/memories:searchText",),
            (f"{service}/SearchText",),
            (f"{service}/SearchText", "-H", "connect-protocol-version: 1"),
            ("/grpc/memoryservice/searchtext",),
            ("/grpc/memory/searchtext",),
            ("/v1/memories:searchText", "--http2-prior-knowledge"),
        )
    ]
    for answer in answers:
        assert answer.status == 200, answer.text
        assert answer.json() == answers[0].json()


def test_connect_by_get(curl):
    answer = curl(
        "/somafractalmemory.v1.MemoryService/SearchText"
        "?connect=v1&encoding=json&message=%7B%22query%22%3A%22piano%20keyboard%22%2C%22limit%22%3A1%7D"
    )
    assert answer.status == 200, answer.text
    assert contents(answer)[0].startswith("piano:")


def test_connect_errors_are_its_own(curl):
    answer = curl(
        "/somafractalmemory.v1.MemoryService/GetMemory",
        *JSON,
        "-H",
        "connect-protocol-version: 1",
        "-d",
        '{"id":"00000000-0000-7000-8000-000000000000"}',
    )
    assert answer.status == 404
    assert answer.json()["code"] == "not_found"
    assert answer.json()["message"] == "Memory not found"


STREAM = "/v1/memories?filters[topic]=weather"


def test_a_stream_as_an_array(curl):
    answer = curl(STREAM)
    assert answer.headers["content-type"].startswith("application/json")
    assert len(answer.json()) == 30
    assert {m["metadata"]["topic"] for m in answer.json()} == {"weather"}


def test_a_stream_as_lines(curl):
    answer = curl(STREAM, "-H", "accept: application/x-ndjson")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = answer.text.splitlines()
    assert [json.loads(line) for line in lines] == curl(STREAM).json()
    assert answer.text.endswith("\n")


def test_a_stream_as_events(curl):
    answer = curl(STREAM, "-H", "accept: text/event-stream")
    assert answer.headers["content-type"].startswith("text/event-stream")
    *events, end = answer.text.removesuffix("\n\n").split("\n\n")
    numbers, data = zip(*(event.split("\n") for event in events))
    assert numbers == tuple(f"id: {n}" for n in range(1, len(events) + 1))
    assert all(line.startswith("data: ") for line in data)
    assert [json.loads(line[6:]) for line in data] == curl(STREAM).json()
    # A browser's EventSource would connect again if nobody told it to stop.
    assert end == "event: end\ndata: {}"


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("application/json", b'[{"content":"a"},{"content":"b"}]'),
        ("application/x-ndjson", b'{"content":"a"}\n{"content":"b"}\n'),
    ],
)
def test_an_upload(curl, form, body):
    answer = curl(
        "/v1/memories:batch", "-H", f"content-type: {form}", "-H", "x-namespace: curl-upload", body=body
    )
    assert answer.status == 200, answer.text
    assert answer.json()["storedCount"] == 2


@pytest.mark.parametrize(
    ("arguments", "body", "status", "code"),
    [
        pytest.param(("/v1/nothing",), None, 404, 5, id="no route"),
        pytest.param(("/v1/memories", "-X", "PATCH"), None, 405, None, id="wrong method"),
        pytest.param(("/v1/memories", "-H", "content-type: text/csv"), b"a,b", 415, None, id="wrong type"),
        pytest.param(("/v1/memories", *JSON), b'{"content":"', 400, 3, id="truncated"),
        pytest.param(("/v1/memories", *JSON), b'{"text":"x"}', 400, 3, id="unknown field"),
        pytest.param(("/v1/memories", *JSON), b'{"vector":[1,2]}', 400, 3, id="wrong dimension"),
        pytest.param(("/v1/memories:search", *JSON), b'{"limit":-1}', 400, 3, id="bad limit"),
    ],
)
def test_mistakes(curl, arguments, body, status, code):
    answer = curl(*arguments, body=body)
    assert answer.status == status, answer.text
    error = answer.json()
    assert error["message"]
    if code is not None:
        assert error["code"] == code
    if status == 405:
        assert {"GET", "POST"} <= {verb.strip() for verb in answer.headers["allow"].split(",")}


def test_five_megabytes_are_too_many(curl):
    body = json.dumps({"content": "a" * (5 << 20)}).encode()
    answer = curl("/v1/memories", *JSON, body=body)
    assert answer.status == 413, answer.text
    assert answer.json()["code"] == 8
    assert str(4 << 20) in answer.json()["message"]


def test_named_routes_have_a_detail(curl):
    answer = curl("/grpc/memory/getmemory", *JSON, "-d", '{"id":"no-such-id"}')
    assert answer.status == 404
    assert answer.json() == {"detail": "Memory not found"}


def test_compressed_answers(curl):
    plain = curl("/v1/memories?query=animal")
    zipped = curl("/v1/memories?query=animal", "--compressed")
    assert zipped.json() == plain.json()


def test_prometheus(curl):
    answer = curl("/metrics")
    assert answer.status == 200
    assert "# TYPE" in answer.text
