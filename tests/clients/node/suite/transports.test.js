// Connect's own clients over each of their transports: every RPC, errors,
// cancellation, deadlines, compression.

import assert from "node:assert/strict";
import net from "node:net";
import { describe, test } from "node:test";
import { equals } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { compressionGzip, createConnectTransport } from "@connectrpc/connect-node";
import { MemorySchema } from "../gen/somafractalmemory/v1/memory_pb.js";
import {
  address,
  clients,
  collect,
  failure,
  namespace,
  noise,
  stream,
  transports,
  unit,
} from "../support.js";

for (const transport of transports) {
  describe(transport.name, () => {
    test("every RPC", async () => {
      const { memory, metrics } = clients(transport);
      const apple = await memory.storeMemory({
        content: "a red apple",
        metadata: { colour: "red" },
        vector: unit(3, 0),
      });
      const plum = await memory.storeMemory({ content: "a blue plum", vector: unit(3, 1) });

      const got = await memory.getMemory({ id: apple.id });
      assert.ok(equals(MemorySchema, got, apple));

      const near = await memory.searchVector({ vector: [1, 0.1, 0], limit: 1 });
      assert.deepEqual(near.memories.map((m) => m.id), [apple.id]);
      assert.ok(near.scores[0] > 0.99);

      const words = await memory.searchText({ query: "plum" });
      assert.deepEqual(words.memories.map((m) => m.id), [plum.id]);

      const both = await memory.searchHybrid({ query: "apple", vector: unit(3, 0) });
      assert.equal(both.memories[0].id, apple.id);

      const all = await collect(memory.streamMemories({}));
      assert.deepEqual(all.map((m) => m.id), [apple.id, plum.id]);

      const batch = await memory.batchStoreMemories(
        stream([{ content: "one", vector: unit(3, 2) }, { content: "two", vector: [1] }]),
      );
      assert.equal(batch.storedCount, 1);
      assert.equal(batch.failures[0].index, 1);
      assert.equal(batch.failures[0].message, "Invalid vector dimension: expected 3, got 1");

      await memory.deleteMemory({ id: apple.id });
      assert.equal((await failure(memory.getMemory({ id: apple.id }))).code, Code.NotFound);

      const figures = await metrics.getMetrics({});
      assert.equal(figures.memoriesTotal, 2n);
      assert.equal(figures.dimension, 3);
    });

    test("errors carry code and text", async () => {
      const { memory } = clients(transport);
      await memory.storeMemory({ vector: unit(384, 0) });
      const dimension = await failure(memory.storeMemory({ vector: [0.1, 0.2, 0.3] }));
      assert.equal(dimension.code, Code.InvalidArgument);
      assert.equal(dimension.rawMessage, "Invalid vector dimension: expected 384, got 3");
      const absent = await failure(
        memory.getMemory({ id: "00000000-0000-7000-8000-000000000000" }),
      );
      assert.equal(absent.code, Code.NotFound);
      assert.equal(absent.rawMessage, "Memory not found");
      const large = await failure(memory.storeMemory({ content: "a".repeat(5 << 20) }));
      assert.equal(large.code, Code.ResourceExhausted);
    });

    test("a cancelled stream leaves a working server", async () => {
      const { memory } = clients(transport);
      await memory.batchStoreMemories(
        stream(Array.from({ length: 500 }, () => ({ content: noise(10_000) }))),
      );
      const abort = new AbortController();
      let received = 0;
      const cancelled = await failure(
        (async () => {
          for await (const _ of memory.streamMemories({}, { signal: abort.signal })) {
            received += 1;
            if (received === 5) abort.abort();
          }
        })(),
      );
      assert.equal(cancelled.code, Code.Canceled);
      assert.ok(received < 500);
      assert.equal((await collect(memory.streamMemories({}))).length, 500);
    });

    test("a deadline ends a call", async () => {
      const { memory } = clients(transport);
      async function* endless() {
        yield { content: "then silence" };
        await new Promise((resolve) => setTimeout(resolve, 2_000));
      }
      const late = await failure(memory.batchStoreMemories(endless(), { timeoutMs: 200 }));
      assert.equal(late.code, Code.DeadlineExceeded);
      await memory.storeMemory({ content: "still there" });
    });

    test("gzip both ways", async () => {
      const { memory } = clients(transport, namespace(), {
        sendCompression: compressionGzip,
        acceptCompression: [compressionGzip],
      });
      const content = "the same words again ".repeat(5_000);
      const { id } = await memory.storeMemory({ content });
      assert.equal((await memory.getMemory({ id })).content, content);
      assert.equal((await collect(memory.streamMemories({})))[0].content, content);
    });
  });
}

for (const useBinaryFormat of [true, false]) {
  test(`reads go by GET, writes by POST, ${useBinaryFormat ? "binary" : "JSON"}`, async () => {
    // The client decides after its interceptors, so only the wire can tell.
    const recorder = await recordRequestLines();
    try {
      const { memory } = clients({
        make: (options) =>
          createConnectTransport({
            baseUrl: recorder.baseUrl,
            httpVersion: "1.1",
            useBinaryFormat,
            useHttpGet: true,
            ...options,
          }),
      });
      const { id } = await memory.storeMemory({ content: "Grüße & more = ?" });
      assert.equal((await memory.getMemory({ id })).content, "Grüße & more = ?");
      const found = await memory.searchText({ query: "Grüße & more = ?" });
      assert.equal(found.memories.length, 1);
    } finally {
      recorder.close();
    }
    assert.deepEqual(
      recorder.lines.map((line) => line.split("?")[0]),
      [
        "POST /somafractalmemory.v1.MemoryService/StoreMemory HTTP/1.1",
        "GET /somafractalmemory.v1.MemoryService/GetMemory",
        "GET /somafractalmemory.v1.MemoryService/SearchText",
      ],
    );
  });
}

/** A way to the server that notes the first line of each HTTP/1.1 request. */
async function recordRequestLines() {
  const lines = [];
  const sockets = [];
  const proxy = net.createServer((client) => {
    const server = net.connect(Number(address.split(":")[1]), address.split(":")[0]);
    client.on("data", (chunk) => {
      const line = /^[A-Z]+ \/\S* HTTP\/1\.1/.exec(chunk.toString("latin1"));
      if (line) lines.push(line[0]);
    });
    client.pipe(server).pipe(client);
    for (const socket of [client, server]) socket.on("error", () => {});
    sockets.push(client, server);
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    lines,
    baseUrl: `http://127.0.0.1:${proxy.address().port}`,
    // The client would keep its connection for a while.
    close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  };
}
