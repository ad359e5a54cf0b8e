// Bare HTTP/2, for what a well-behaved client hides: that the server itself
// ends a call at its deadline, and what it answers to broken frames.

import assert from "node:assert/strict";
import http2 from "node:http2";
import { after, test } from "node:test";
import { toBinary, create } from "@bufbuild/protobuf";
import { gzipSync } from "node:zlib";
import { StoreMemoryRequestSchema } from "../gen/somafractalmemory/v1/memory_pb.js";
import { baseUrl, namespace } from "../support.js";

const session = http2.connect(baseUrl);
after(() => session.close());

/** Sends a gRPC request whose body may stay open; gives headers and trailers. */
function grpc(method, body, { end = true, ...headers } = {}) {
  return new Promise((resolve, reject) => {
    const request = session.request({
      ":method": "POST",
      ":path": `/somafractalmemory.v1.MemoryService/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const answer = { headers: {}, trailers: {}, body: [] };
    request.on("response", (received) => (answer.headers = received));
    request.on("trailers", (received) => (answer.trailers = received));
    request.on("data", (chunk) => answer.body.push(chunk));
    request.on("error", reject);
    request.on("end", () => {
      const status = answer.trailers["grpc-status"] ?? answer.headers["grpc-status"];
      const body = Buffer.concat(answer.body);
      resolve({ ...answer, status: Number(status), body });
      request.close();
    });
    request.write(body);
    if (end) request.end();
  });
}

/** A message as gRPC frames it. */
function frame(message, compressed = 0) {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed, 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function store(content) {
  return toBinary(StoreMemoryRequestSchema, create(StoreMemoryRequestSchema, { content }));
}

test("the server ends a call at its deadline", { timeout: 10_000 }, async () => {
  const started = Date.now();
  const answer = await grpc("BatchStoreMemories", frame(store("then silence")), {
    end: false,
    "grpc-timeout": "300m",
    "x-namespace": namespace(),
  });
  assert.equal(answer.status, 4);
  assert.ok(Date.now() - started < 3_000);
});

test("answers are compressed for those who ask", async () => {
  const answer = await grpc("StoreMemory", frame(store("again ".repeat(1_000))), {
    "grpc-accept-encoding": "gzip",
    "x-namespace": namespace(),
  });
  assert.equal(answer.status, 0);
  assert.equal(answer.headers["grpc-encoding"], "gzip");
  assert.equal(answer.body[0], 1);
  assert.ok(answer.body.length < 1_000);
});

test("a compressed request needs its encoding named", async () => {
  const zipped = gzipSync(store("zipped"));
  const named = await grpc("StoreMemory", frame(zipped, 1), { "grpc-encoding": "gzip" });
  assert.equal(named.status, 0);
  const unnamed = await grpc("StoreMemory", frame(zipped, 1));
  assert.ok([3, 12, 13].includes(unnamed.status), `status ${unnamed.status}`);
  const unknown = await grpc("StoreMemory", frame(zipped, 1), { "grpc-encoding": "compress" });
  assert.equal(unknown.status, 12);
});

test("broken frames", { timeout: 20_000 }, async () => {
  const whole = frame(store("whole"));
  const cases = {
    "half a frame": whole.subarray(0, whole.length - 2),
    "half a prefix": whole.subarray(0, 3),
    "a length of 4 GB": Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]),
    "an unknown flag": Buffer.from([7, 0, 0, 0, 0]),
  };
  for (const [name, body] of Object.entries(cases)) {
    const answer = await grpc("StoreMemory", body);
    assert.ok([3, 8, 11, 13].includes(answer.status), `${name}: status ${answer.status}`);
  }
  const answer = await grpc("StoreMemory", whole);
  assert.equal(answer.status, 0);
});
