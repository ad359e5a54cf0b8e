// Connect's own client for browsers, over both of its transports.

import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { MemoryService } from "../gen/somafractalmemory/v1/memory_pb.js";

const transports = {
  "Connect binary": (o) => createConnectTransport({ ...o, useBinaryFormat: true }),
  "Connect JSON": (o) => createConnectTransport(o),
  "Connect by GET": (o) => createConnectTransport({ ...o, useHttpGet: true }),
  "gRPC-Web": (o) => createGrpcWebTransport(o),
};

const ABSENT = "00000000-0000-7000-8000-000000000000";

export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    const { code, rawMessage: message } = ConnectError.from(error);
    return { code, message };
  }
  throw new Error("the call succeeded, but should have failed");
}

function client(baseUrl, name, namespace) {
  const place = (next) => (request) => {
    request.header.set("x-namespace", namespace);
    return next(request);
  };
  return createClient(MemoryService, transports[name]({ baseUrl, interceptors: [place] }));
}

export async function connectWeb(base, name) {
  const memory = client(base, name, `browser-${name.replaceAll(" ", "-").toLowerCase()}`);
  let requestId;
  const first = await memory.storeMemory(
    { content: "one" },
    {
      headers: { "x-request-id": "named" },
      onHeader: (headers) => (requestId = headers.get("x-request-id")),
    },
  );
  await memory.storeMemory({ content: "two" });
  const streamed = [];
  for await (const each of memory.streamMemories({})) streamed.push(each.content);
  return {
    got: (await memory.getMemory({ id: first.id })).content,
    streamed,
    error: await failure(memory.getMemory({ id: ABSENT })),
    requestId,
  };
}

export async function cancelled(base) {
  const memory = client(base, "Connect binary", "browser-cancelled");
  const content = Array.from({ length: 5_000 }, () => Math.random().toString(36)).join("");
  for (let n = 0; n < 8; n++) await memory.storeMemory({ content });
  const control = new AbortController();
  let received = 0;
  const { code } = await failure(
    (async () => {
      for await (const _ of memory.streamMemories({}, { signal: control.signal })) {
        received += 1;
        control.abort();
      }
    })(),
  );
  return { received, code };
}
