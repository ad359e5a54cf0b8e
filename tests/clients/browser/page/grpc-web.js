// Google's own client for browsers, without the code that its plugin generates:
// the methods are described here.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import grpcweb from "grpc-web";
import {
  GetMemoryRequestSchema,
  MemorySchema,
  StoreMemoryRequestSchema,
  StreamMemoriesRequestSchema,
} from "../gen/somafractalmemory/v1/memory_pb.js";

const { GrpcWebClientBase, MethodDescriptor, MethodType } = grpcweb;
const SERVICE = "/somafractalmemory.v1.MemoryService";

function describe(name, type, input) {
  const path = `${SERVICE}/${name}`;
  const method = new MethodDescriptor(
    path,
    type,
    Object,
    Object,
    (message) => toBinary(input, message),
    (bytes) => fromBinary(MemorySchema, new Uint8Array(bytes)),
  );
  return { path, method };
}

const store = describe("StoreMemory", MethodType.UNARY, StoreMemoryRequestSchema);
const get = describe("GetMemory", MethodType.UNARY, GetMemoryRequestSchema);
const all = describe("StreamMemories", MethodType.SERVER_STREAMING, StreamMemoriesRequestSchema);

export async function grpcWeb(base, format) {
  const client = new GrpcWebClientBase({ format });
  const metadata = { "x-namespace": `browser-grpc-web-${format}` };
  const call = ({ path, method }, message) =>
    client.unaryCall(base + path, message, metadata, method);

  const content = `by grpc-web ${format}`;
  const stored = await call(store, create(StoreMemoryRequestSchema, { content }));
  const absent = create(GetMemoryRequestSchema, { id: "00000000-0000-7000-8000-000000000000" });
  const error = await call(get, absent).then(
    () => undefined,
    ({ code, message }) => ({ code, message }),
  );
  const streamed = format === "text" ? await stream(client, base, metadata) : [];
  return { stored: stored.content, error, streamed };
}

function stream(client, base, metadata) {
  return new Promise((resolve, reject) => {
    const contents = [];
    const message = create(StreamMemoriesRequestSchema);
    client
      .serverStreaming(base + all.path, message, metadata, all.method)
      .on("data", (memory) => contents.push(memory.content))
      .on("error", reject)
      .on("end", () => resolve(contents));
  });
}
