// The same calls over every protocol, RPC by RPC: they reach the same store and
// get equal answers, and equal errors.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  MemoryService,
  Metrics,
  callRest,
  clients,
  collect,
  namespace,
  restWays,
  stream,
  transports,
} from "../support.js";

const here = namespace();

/**
 * Every way to call a method: `call` takes a message, or an array of them for a
 * client stream, and gives a message, or an array for a server stream.
 */
const ways = [
  ...transports.map((transport) => {
    const { memory, metrics } = clients(transport, here);
    return {
      name: transport.name,
      call(method, messages) {
        const client = method.parent === Metrics ? metrics : memory;
        const request = Array.isArray(messages) ? stream(messages) : messages;
        const answer = client[method.localName](request);
        return method.methodKind === "server_streaming" ? collect(answer) : answer;
      },
    };
  }),
  ...restWays.flatMap((way) =>
    ["application/json", "application/x-ndjson", "text/event-stream"].map((form) => ({
      name: `${way.name}, streams as ${form}`,
      form,
      rest: true,
      call: (method, messages) => callRest(way, method, messages, here, form),
    })),
  ),
];

/** The ways in which a method of this kind differs. */
function waysFor(method) {
  if (method.methodKind === "server_streaming") return ways;
  const uploads = ["application/json", "application/x-ndjson"];
  const forms = method.methodKind === "client_streaming" ? uploads : uploads.slice(0, 1);
  return ways.filter((way) => !way.rest || forms.includes(way.form));
}

/**
 * A message as data that can be compared. It goes through the binary form first:
 * read from JSON, a float is still the double that was written there.
 */
function plain(method, answer) {
  const one = (message) =>
    toJson(method.output, fromBinary(method.output, toBinary(method.output, message)));
  return Array.isArray(answer) ? answer.map(one) : one(answer);
}

/** Calls a method in every way and gives what each answered. */
async function everyWay(method, messageFor) {
  const answers = new Map();
  for (const way of waysFor(method)) {
    const init = messageFor(way);
    const message = Array.isArray(init)
      ? init.map((one) => create(method.input, one))
      : create(method.input, init);
    try {
      answers.set(way.name, plain(method, await way.call(method, message)));
    } catch (error) {
      if (!(error instanceof ConnectError)) throw new Error(`${way.name}: ${error}`, { cause: error });
      answers.set(way.name, { error: Code[error.code], message: error.rawMessage });
    }
  }
  return answers;
}

/** Fails unless every way answered this. */
function allEqual(answers, expected) {
  assert.ok(answers.size >= 10, "too few ways");
  for (const [name, answer] of answers) assert.deepEqual(answer, expected, name);
}

/** The answer of the first way, which the others are compared with. */
function first(answers) {
  return answers.values().next().value;
}

/** A stored memory without what the server makes anew for each. */
function withoutIdentity({ id, createdAt, ...rest }) {
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.match(createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  return rest;
}

const { method: rpc } = MemoryService;
const memories = [
  { content: 'Grüße an "alle" \\ 世界 🌍\n', metadata: { type: "note", "": "empty key" }, vector: [0.1, 0.2, 0.3] },
  { content: "an apple a day", metadata: { type: "note" }, vector: [1, -1e-7, 3.4e10] },
  { content: "another apple", metadata: { type: "task" }, vector: [0.25, 1e-20, -0.5] },
  { content: "without a vector", metadata: {} },
];

describe("equal answers by every protocol", () => {
  let stored;

  before(async () => {
    const { memory } = clients(transports[0], here);
    stored = [];
    for (const init of memories) stored.push(await memory.storeMemory(init));
  });

  test("GetMemory", async () => {
    for (const memory of stored) {
      const answers = await everyWay(rpc.getMemory, () => ({ id: memory.id }));
      allEqual(answers, plain(rpc.getMemory, memory));
    }
  });

  test("SearchVector", async () => {
    for (const request of [
      { vector: [0.1, 0.2, 0.3] },
      { vector: [1, 1, 1], limit: 2, exact: true },
      { vector: [1, 0, 0], threshold: 0.4, filters: { type: "task" } },
    ]) {
      const answers = await everyWay(rpc.searchVector, () => request);
      assert.ok(first(answers).memories.length > 0);
      allEqual(answers, first(answers));
    }
  });

  test("SearchText", async () => {
    const answers = await everyWay(rpc.searchText, () => ({ query: "apple", limit: 5 }));
    assert.equal(first(answers).memories.length, 2);
    allEqual(answers, first(answers));
  });

  test("SearchHybrid", async () => {
    const request = { query: "apple", vector: [0.1, 0.2, 0.3], filters: { type: "note" } };
    const answers = await everyWay(rpc.searchHybrid, () => request);
    assert.equal(first(answers).memories.length, 2);
    allEqual(answers, first(answers));
  });

  test("StreamMemories", async () => {
    const everything = await everyWay(rpc.streamMemories, () => ({}));
    allEqual(everything, stored.map((memory) => plain(rpc.getMemory, memory)));
    const some = await everyWay(rpc.streamMemories, () => ({
      query: "apple",
      filters: { type: "note" },
    }));
    allEqual(some, [plain(rpc.getMemory, stored[1])]);
    allEqual(await everyWay(rpc.streamMemories, () => ({ query: "submarine" })), []);
  });

  test("GetMetrics", async () => {
    const answers = await everyWay(Metrics.method.getMetrics, () => ({}));
    for (const [name, { memoriesTotal, vectorsTotal, dimension, methods }] of answers) {
      const figures = { memoriesTotal, vectorsTotal, dimension };
      assert.deepEqual(figures, { memoriesTotal: "4", vectorsTotal: "3", dimension: 3 }, name);
      assert.ok(methods.some((m) => m.method === "somafractalmemory.v1.MemoryService/GetMemory"));
    }
  });

  test("errors", async () => {
    const absent = "00000000-0000-7000-8000-000000000000";
    const dimension = "Invalid vector dimension: expected 3, got 2";
    for (const [method, request, code, message] of [
      [rpc.getMemory, { id: absent }, Code.NotFound, "Memory not found"],
      [rpc.deleteMemory, { id: absent }, Code.NotFound, "Memory not found"],
      [rpc.storeMemory, { vector: [1, 2] }, Code.InvalidArgument, dimension],
      [rpc.searchVector, { vector: [1, 2] }, Code.InvalidArgument, dimension],
      [rpc.searchVector, { vector: [0, 0, 0] }, Code.InvalidArgument],
      [rpc.searchText, { query: "x", limit: -1 }, Code.InvalidArgument],
      [rpc.searchHybrid, { vector: [NaN, 1, 1] }, Code.InvalidArgument],
    ]) {
      const answers = await everyWay(method, () => request);
      const expected = { error: Code[code], message: message ?? first(answers).message };
      assert.ok(expected.message.length > 0);
      allEqual(answers, expected);
    }
  });

  // The following add to the namespace, so they come last.
  test("StoreMemory", async () => {
    for (const init of memories) {
      const answers = await everyWay(rpc.storeMemory, () => init);
      const expected = withoutIdentity(first(answers));
      for (const [name, answer] of answers) {
        assert.deepEqual(withoutIdentity(answer), expected, name);
      }
    }
  });

  test("BatchStoreMemories", async () => {
    const answers = await everyWay(rpc.batchStoreMemories, () => [
      { content: "good" },
      { content: "bad", vector: [1, 2, 3, 4] },
      { content: "good too", vector: [1, 2, 3] },
    ]);
    for (const [name, { ids, ...rest }] of answers) {
      assert.equal(ids?.length, 2, name);
      const message = "Invalid vector dimension: expected 3, got 4";
      assert.deepEqual(rest, { storedCount: 2, failures: [{ index: 1, code: 3, message }] }, name);
    }
    allEqual(await everyWay(rpc.batchStoreMemories, () => []), {});
  });

  test("DeleteMemory", async () => {
    const { memory } = clients(transports[0], here);
    const doomed = new Map();
    for (const way of waysFor(rpc.deleteMemory)) {
      doomed.set(way.name, (await memory.storeMemory({ content: "doomed" })).id);
    }
    allEqual(await everyWay(rpc.deleteMemory, (way) => ({ id: doomed.get(way.name) })), {});
    for (const id of doomed.values()) {
      await assert.rejects(memory.getMemory({ id }), { code: Code.NotFound });
    }
  });
});
