// @grpc/grpc-js with proto-loader: no generated code, the contracts as they
// are. All kinds of RPC, errors, deadlines, health.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { address, collect, namespace, noise, unit } from "../support.js";

const contracts = loadSync(
  ["somafractalmemory/v1/memory.proto", "somafractalmemory/v1/metrics.proto"],
  { includeDirs: [process.env.PORTOLAN_PROTO], keepCase: true, longs: String, defaults: true },
);
const { MemoryService, Metrics } = grpc.loadPackageDefinition(contracts).somafractalmemory.v1;
const memory = new MemoryService(address, grpc.credentials.createInsecure());
const metrics = new Metrics(address, grpc.credentials.createInsecure());
after(() => {
  memory.close();
  metrics.close();
});

function metadataFor(name) {
  const metadata = new grpc.Metadata();
  metadata.set("x-namespace", name);
  return metadata;
}

/** A unary call as a promise. */
function call(client, method, request, metadata, options = {}) {
  return new Promise((resolve, reject) => {
    client[method](request, metadata, options, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

/** A client stream of these requests as a promise. */
function send(requests, metadata, options = {}) {
  return new Promise((resolve, reject) => {
    const writer = memory.BatchStoreMemories(metadata, options, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
    for (const request of requests) writer.write(request);
    writer.end();
  });
}

test("every RPC", async () => {
  const metadata = metadataFor(namespace());
  const request = { content: "a red apple", metadata: { colour: "red" }, vector: unit(3, 0) };
  const apple = await call(memory, "StoreMemory", request, metadata);
  assert.equal(apple.content, "a red apple");
  assert.deepEqual(await call(memory, "GetMemory", { id: apple.id }, metadata), apple);

  const near = await call(memory, "SearchVector", { vector: unit(3, 0), limit: 5 }, metadata);
  assert.deepEqual(near.memories, [apple]);
  const words = await call(memory, "SearchText", { query: "apple" }, metadata);
  assert.deepEqual(words.memories, [apple]);
  const hybrid = { query: "apple", vector: unit(3, 0) };
  const both = await call(memory, "SearchHybrid", hybrid, metadata);
  assert.deepEqual(both.memories, [apple]);

  const batch = await send([{ content: "one" }, { content: "two", vector: [1] }], metadata);
  assert.equal(batch.stored_count, 1);
  assert.equal(batch.failures[0].code, grpc.status.INVALID_ARGUMENT);

  const streamed = await collect(memory.StreamMemories({}, metadata));
  assert.deepEqual(streamed.map((m) => m.content), ["a red apple", "one"]);

  await call(memory, "DeleteMemory", { id: apple.id }, metadata);
  const figures = await call(metrics, "GetMetrics", {}, metadata);
  assert.equal(figures.memories_total, "1");
});

test("errors carry code and text", async () => {
  const metadata = metadataFor(namespace());
  await call(memory, "StoreMemory", { vector: unit(384, 0) }, metadata);
  await assert.rejects(call(memory, "StoreMemory", { vector: [0.1, 0.2, 0.3] }, metadata), {
    code: grpc.status.INVALID_ARGUMENT,
    details: "Invalid vector dimension: expected 384, got 3",
  });
  const absent = { id: "00000000-0000-7000-8000-000000000000" };
  await assert.rejects(call(memory, "GetMemory", absent, metadata), {
    code: grpc.status.NOT_FOUND,
    details: "Memory not found",
  });
});

test("a cancelled stream leaves a working server", async () => {
  const metadata = metadataFor(namespace());
  const requests = Array.from({ length: 500 }, () => ({ content: noise(10_000) }));
  await send(requests, metadata);
  const streamed = memory.StreamMemories({}, metadata);
  await assert.rejects(
    (async () => {
      for await (const _ of streamed) streamed.cancel();
    })(),
    { code: grpc.status.CANCELLED },
  );
  assert.equal((await collect(memory.StreamMemories({}, metadata))).length, 500);
});

test("a deadline ends a call", async () => {
  const metadata = metadataFor(namespace());
  await assert.rejects(
    new Promise((resolve, reject) => {
      const deadline = Date.now() + 200;
      const writer = memory.BatchStoreMemories(metadata, { deadline }, (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
      writer.write({ content: "then silence" });
    }),
    { code: grpc.status.DEADLINE_EXCEEDED },
  );
});
