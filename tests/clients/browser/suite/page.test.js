// A page of another origin in a real browser uses every protocol that pages
// can: what it may do is decided by the browser, not by us.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Visit } from "../visit.js";

let allowed;
let stranger;

before(async () => {
  // The server lets pages of `http://localhost:*` in, and no others.
  allowed = await Visit.begin("localhost");
  stranger = await Visit.begin("127.0.0.1");
});

after(async () => {
  await allowed?.end();
  await stranger?.end();
});

describe("connect-web", () => {
  for (const transport of ["Connect binary", "Connect JSON", "Connect by GET", "gRPC-Web"]) {
    test(`${transport}: unary, streams and errors`, async () => {
      const seen = await allowed.run("connectWeb", transport);
      assert.deepEqual(seen.streamed, ["one", "two"]);
      assert.equal(seen.got, "one");
      assert.deepEqual(seen.error, { code: 5, message: "Memory not found" });
      assert.equal(seen.requestId, "named");
    });
  }

  test("a cancelled stream ends", async () => {
    assert.deepEqual(await allowed.run("cancelled"), { received: 1, code: 1 });
  });
});

describe("grpc-web", () => {
  for (const format of ["text", "binary"]) {
    test(`${format}: unary, a stream and errors`, async () => {
      const seen = await allowed.run("grpcWeb", format);
      assert.equal(seen.stored, `by grpc-web ${format}`);
      assert.deepEqual(seen.error, { code: 5, message: "Memory not found" });
      // Only text arrives piece by piece; as binary the library takes no streams.
      if (format === "text") {
        assert.deepEqual(seen.streamed, [`by grpc-web ${format}`]);
      }
    });
  }
});

test("fetch reads NDJSON as it comes, and headers", async () => {
  const seen = await allowed.run("lines");
  assert.equal(seen.status, 200);
  assert.equal(seen.requestId, "named-by-the-page");
  assert.deepEqual(seen.contents, ["line 1", "line 2"]);
  assert.deepEqual(seen.error, { status: 404, code: 5 });
});

describe("EventSource", () => {
  test("takes every event, and knows the end", async () => {
    const seen = await allowed.run("events");
    assert.deepEqual(seen.contents, ["event 1", "event 2"]);
    assert.equal(seen.ended, true);
    assert.equal(seen.errors, 0);
  });

  test("learns that there is nothing for it", async () => {
    assert.deepEqual(await allowed.run("noEvents"), { closed: true });
  });
});

describe("WebSocket", () => {
  test("speaks in turn with a bidirectional RPC", async () => {
    const seen = await allowed.run("conversation");
    assert.ok(seen.services.includes("somafractalmemory.v1.MemoryService"));
    assert.equal(seen.file, true);
    assert.deepEqual(seen.close, { code: 1000, reason: "", wasClean: true });
    assert.equal(seen.protocol, "portolan.json");
  });

  test("carries a client stream, with a header among its subprotocols", async () => {
    const seen = await allowed.run("upload", 200);
    assert.equal(seen.storedCount, 200);
    assert.equal(seen.close.code, 1000);
    // The namespace of the header has them, and the default one has not.
    assert.equal(seen.there, 200);
    assert.equal(seen.elsewhere, 0);
  });

  test("carries a server stream in protobuf", async () => {
    const seen = await allowed.run("protobuf");
    assert.deepEqual(seen.contents, ["p 1", "p 2"]);
    assert.deepEqual(seen.close, { code: 1000, reason: "", wasClean: true });
    assert.equal(seen.protocol, "portolan.proto");
  });

  test("says what went wrong", async () => {
    const seen = await allowed.run("mistakes");
    assert.deepEqual(seen.absent.error, { code: 5, message: "Memory not found", details: [] });
    assert.deepEqual(seen.absent.close, { code: 4005, reason: "Memory not found", wasClean: true });
    assert.equal(seen.malformed.error.code, 3);
    assert.equal(seen.malformed.close.code, 4003);
    assert.equal(seen.large.error.code, 8);
    assert.equal(seen.large.close.code, 1009);
  });
});

describe("a page that is not let in", () => {
  test("reads nothing and opens nothing", async () => {
    assert.deepEqual(await stranger.run("uninvited"), {
      simple: "TypeError",
      preflighted: "TypeError",
      events: "closed",
      socket: 1006,
    });
  });
});
