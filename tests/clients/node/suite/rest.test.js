// Plain fetch, as a browser or a script uses it: routes, streams in their three
// forms, uploads in their two, and what mistakes are answered with.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { baseUrl, elements, namespace, noise } from "../support.js";

/** A request in a namespace; its answer with the body read as text. */
async function http(path, { json, headers, ...init } = {}) {
  const response = await fetch(baseUrl + path, {
    ...init,
    ...(json === undefined ? {} : { method: "POST", body: JSON.stringify(json) }),
    headers: { ...(json === undefined ? {} : { "content-type": "application/json" }), ...headers },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** A namespace with three memories in it, and the function to call with. */
async function filled() {
  const own = { "x-namespace": namespace() };
  const here = (path, init = {}) => http(path, { ...init, headers: { ...own, ...init.headers } });
  const stored = [];
  for (const [content, type] of [
    ["first apple", "note"],
    ["second apple", "task"],
    ["third pear", "note"],
  ]) {
    const answer = await here("/v1/memories", { json: { content, metadata: { type } } });
    assert.equal(answer.status, 200, answer.text);
    stored.push(JSON.parse(answer.text));
  }
  return { here, stored };
}

test("JSON is proto3 JSON: lowerCamelCase, and defaults are left out", async () => {
  const { stored } = await filled();
  assert.deepEqual(Object.keys(stored[0]).sort(), ["content", "createdAt", "id", "metadata"]);
});

test("read and delete by path", async () => {
  const { here, stored } = await filled();
  const got = await here(`/v1/memories/${stored[0].id}`);
  assert.equal(got.status, 200);
  assert.match(got.headers.get("content-type"), /^application\/json/);
  assert.deepEqual(JSON.parse(got.text), stored[0]);
  const gone = await here(`/v1/memories/${stored[0].id}`, { method: "DELETE" });
  assert.equal(gone.status, 200);
  assert.equal(gone.text, "{}");
  assert.equal((await here(`/v1/memories/${stored[0].id}`)).status, 404);
});

describe("streams", () => {
  for (const form of ["application/json", "application/x-ndjson", "text/event-stream"]) {
    test(`come as ${form}`, async () => {
      const { here, stored } = await filled();
      const answer = await here("/v1/memories", { headers: { accept: form } });
      assert.equal(answer.status, 200);
      assert.ok(answer.headers.get("content-type").startsWith(form));
      assert.deepEqual(elements(answer.text, form), stored);
    });
  }

  test("an empty one is an empty array", async () => {
    const answer = await http("/v1/memories", { headers: { "x-namespace": namespace() } });
    assert.equal(answer.status, 200);
    assert.deepEqual(JSON.parse(answer.text), []);
  });

  for (const filter of ["filters[type]=note", "filters.type=note", "filters%5Btype%5D=note"]) {
    test(`take query and ${filter}`, async () => {
      const { here, stored } = await filled();
      const answer = await here(`/v1/memories?query=apple&${filter}`);
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(JSON.parse(answer.text), [stored[0]]);
    });
  }

  test("arrive piece by piece, and may be left in the middle", async () => {
    const own = { "x-namespace": namespace() };
    const line = JSON.stringify({ content: noise(100_000) }) + "\n";
    const upload = await http("/v1/memories:batch", {
      method: "POST",
      body: line.repeat(200),
      headers: { ...own, "content-type": "application/x-ndjson" },
    });
    assert.equal(JSON.parse(upload.text).storedCount, 200);
    const abort = new AbortController();
    const response = await fetch(`${baseUrl}/v1/memories`, {
      headers: { ...own, accept: "application/x-ndjson" },
      signal: abort.signal,
    });
    const reader = response.body.getReader();
    const { value } = await reader.read();
    assert.ok(value.length < 20_000_000 / 2);
    abort.abort();
    const again = await http("/v1/memories", { headers: own });
    assert.equal(JSON.parse(again.text).length, 200);
  });
});

describe("uploads", () => {
  const lines = [{ content: "one" }, { content: "two" }, { content: "three", vector: [0] }];
  const forms = {
    "a JSON array": ["application/json", JSON.stringify(lines)],
    NDJSON: ["application/x-ndjson", lines.map((line) => JSON.stringify(line)).join("\n") + "\n"],
    "NDJSON without a last newline": [
      "application/x-ndjson",
      lines.map((line) => JSON.stringify(line)).join("\n"),
    ],
  };
  for (const [name, [type, body]] of Object.entries(forms)) {
    test(`as ${name}`, async () => {
      const answer = await http("/v1/memories:batch", {
        method: "POST",
        body,
        headers: { "content-type": type, "x-namespace": namespace() },
      });
      assert.equal(answer.status, 200, answer.text);
      const result = JSON.parse(answer.text);
      assert.equal(result.storedCount, 2);
      assert.equal(result.ids.length, 2);
      assert.deepEqual(result.failures.map((f) => [f.index, f.code]), [[2, 3]]);
    });
  }
});

describe("mistakes", () => {
  const json = { "content-type": "application/json" };
  const cases = [
    ["an unknown path", "/v1/nothing", {}, 404],
    ["an unknown id", "/v1/memories/00000000-0000-7000-8000-000000000000", {}, 404, 5],
    ["a wrong method", "/v1/memories/x", { method: "PUT", body: "{}", headers: json }, 405],
    ["a wrong type", "/v1/memories", post("{}", "text/plain"), 415],
    ["truncated JSON", "/v1/memories", post('{"content":"x'), 400, 3],
    ["no JSON", "/v1/memories", post("hello"), 400, 3],
    ["an unknown field", "/v1/memories", post('{"contents":"x"}'), 400, 3, "contents"],
    ["a wrong JSON type", "/v1/memories", post('{"content":5}'), 400, 3, "content"],
    ["a string in the vector", "/v1/memories", post('{"vector":[1,"x"]}'), 400, 3, "vector"],
    ["ten megabytes of [", "/v1/memories", post("[".repeat(10 << 20)), 413, 8],
    ["four megabytes of [", "/v1/memories", post("[".repeat(4_000_000)), 400, 3],
    ["five megabytes", "/v1/memories", post(JSON.stringify({ content: "a".repeat(5 << 20) })), 413, 8],
    ["an array for a message", "/v1/memories", post("[]"), 400, 3],
    ["not-a-number as JSON", "/v1/memories", post('{"vector":["NaN"]}'), 400, 3],
    ["an unknown query field", "/v1/memories?nothing=1", {}, 400, 3, "nothing"],
    ["an empty body", "/v1/memories:searchText", post(""), 200],
  ];

  function post(body, type = "application/json") {
    return { method: "POST", body, headers: { "content-type": type } };
  }

  for (const [name, path, init, status, code, word] of cases) {
    test(`${name} is ${status}`, async () => {
      const answer = await http(path, init);
      assert.ok([status].flat().includes(answer.status), `${answer.status} ${answer.text}`);
      if (answer.status !== 200) {
        const body = JSON.parse(answer.text);
        assert.equal(typeof body.message, "string");
        assert.ok(body.message.length > 0);
        assert.ok(Number.isInteger(body.code), answer.text);
        if (code !== undefined) assert.equal(body.code, code, answer.text);
        if (word !== undefined) assert.ok(body.message.includes(word), answer.text);
      }
      if (answer.status === 405) assert.match(answer.headers.get("allow"), /GET/);
      const health = await http("/v1/metrics");
      assert.equal(health.status, 200);
    });
  }

  test("named routes say it their way", async () => {
    const answer = await http("/grpc/memory/getmemory", { json: {} });
    assert.equal(answer.status, 400);
    assert.deepEqual(Object.keys(JSON.parse(answer.text)), ["detail"]);
  });

  test("invalid UTF-8 is 400", async () => {
    const body = Buffer.concat([
      Buffer.from('{"content":"'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}'),
    ]);
    const answer = await http("/v1/memories", { method: "POST", body, headers: json });
    assert.equal(answer.status, 400);
  });
});

test("a request id is kept, or made", async () => {
  const kept = await http("/v1/metrics", { headers: { "x-request-id": "my-own-id" } });
  assert.equal(kept.headers.get("x-request-id"), "my-own-id");
  const made = await http("/v1/metrics");
  assert.ok(made.headers.get("x-request-id").length >= 16);
});

test("a deadline is a header", async () => {
  const abort = new AbortController();
  let open;
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"content":"then silence"}\n'));
      open = controller;
    },
  });
  const response = await fetch(`${baseUrl}/v1/memories:batch`, {
    method: "POST",
    body,
    duplex: "half",
    signal: abort.signal,
    headers: {
      "content-type": "application/x-ndjson",
      "x-request-timeout": "0.3",
      "x-namespace": namespace(),
    },
  });
  assert.equal(response.status, 504);
  assert.equal(JSON.parse(await response.text()).code, 4);
  try {
    open.close();
  } catch {
    // The server has already closed the other half.
  }
});
