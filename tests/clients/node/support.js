// What the tests of this suite share: where the server is, the ways to reach
// it, and how its answers are compared.

import { randomBytes, randomUUID } from "node:crypto";
import { fromJson, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { MemoryService } from "./gen/somafractalmemory/v1/memory_pb.js";
import { Metrics } from "./gen/somafractalmemory/v1/metrics_pb.js";

export { MemoryService, Metrics };

/** Where the server under test listens, as `127.0.0.1:PORT`. */
export const address = process.env.PORTOLAN_ADDRESS;
if (!address) {
  throw new Error("PORTOLAN_ADDRESS is not set; run `cargo xtask test node`");
}

export const baseUrl = `http://${address}`;

/** A namespace that no other test uses. */
export function namespace() {
  return `node-${randomUUID()}`;
}

/**
 * Every transport that connect-node has, in every form that makes a difference
 * on the wire. `wire` is the word for the protocol.
 */
export const transports = [
  { name: "gRPC", wire: "grpc", make: (o) => createGrpcTransport({ baseUrl, ...o }) },
  ...["1.1", "2"].flatMap((httpVersion) => [
    {
      name: `gRPC-Web over HTTP/${httpVersion}`,
      wire: "grpc-web",
      make: (o) => createGrpcWebTransport({ baseUrl, httpVersion, ...o }),
    },
    ...[true, false].flatMap((useBinaryFormat) =>
      [false, true].map((useHttpGet) => ({
        name:
          `Connect ${useBinaryFormat ? "binary" : "JSON"} over HTTP/${httpVersion}` +
          (useHttpGet ? ", GET where allowed" : ""),
        wire: "connect",
        useHttpGet,
        make: (o) =>
          createConnectTransport({ baseUrl, httpVersion, useBinaryFormat, useHttpGet, ...o }),
      })),
    ),
  ]),
];

/** Clients of both services whose calls all work in one namespace. */
export function clients(transport, inNamespace = namespace(), options = {}) {
  const interceptors = [
    (next) => (request) => {
      request.header.set("x-namespace", inNamespace);
      return next(request);
    },
    ...(options.interceptors ?? []),
  ];
  const made = transport.make({ ...options, interceptors });
  return { memory: createClient(MemoryService, made), metrics: createClient(Metrics, made) };
}

/**
 * Text of so many characters that no compression shortens: clients ask for gzip,
 * and a stream that shrank to nothing would be over before it can be cancelled.
 */
export function noise(characters) {
  return randomBytes(Math.ceil((characters * 3) / 4)).toString("base64").slice(0, characters);
}

/** An axis of a space with so many dimensions. */
export function unit(dimension, axis) {
  return Array.from({ length: dimension }, (_, index) => (index === axis ? 1 : 0));
}

/** All that an async iterable gives. */
export async function collect(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/** An async iterable over an array, as client streams want it. */
export async function* stream(items) {
  yield* items;
}

/** The error that a call fails with; it must fail. */
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call succeeded, but should have failed");
}

/**
 * The REST ways to a method: its annotated route, its auto route and its named
 * routes, each as a function from a request message to the answer's messages.
 */
export const restWays = [
  { name: "annotated REST", route: annotatedRoute, error: statusError },
  {
    name: "auto REST",
    route: (method, message) => ({
      path: `/${method.parent.typeName}/${method.name}`,
      body: message,
    }),
    error: statusError,
  },
  ...["memoryservice", "memory"].map((service) => ({
    name: `named REST as ${service}`,
    route: (method, message) => ({
      path: `/grpc/${method.parent.name === "Metrics" ? "metrics" : service}/${method.name.toLowerCase()}`,
      body: message,
    }),
    error: detailError,
  })),
];

/** HTTP method, path and body of the method's `google.api.http` rule. */
function annotatedRoute(method, message) {
  const one = (id) => `/v1/memories/${encodeURIComponent(id)}`;
  switch (method.name) {
    case "StoreMemory":
      return { path: "/v1/memories", body: message };
    case "GetMemory":
      return { verb: "GET", path: one(message.id ?? "") };
    case "DeleteMemory":
      return { verb: "DELETE", path: one(message.id ?? "") };
    case "SearchVector":
      return { path: "/v1/memories:search", body: message };
    case "SearchText":
      return { path: "/v1/memories:searchText", body: message };
    case "SearchHybrid":
      return { path: "/v1/memories:searchHybrid", body: message };
    case "StreamMemories": {
      const query = new URLSearchParams();
      if (message.query) query.set("query", message.query);
      for (const [key, value] of Object.entries(message.filters ?? {})) {
        query.set(`filters[${key}]`, value);
      }
      return { verb: "GET", path: `/v1/memories?${query}` };
    }
    case "BatchStoreMemories":
      return { path: "/v1/memories:batch", body: message };
    case "GetMetrics":
      return { verb: "GET", path: "/v1/metrics" };
    default:
      throw new Error(`no route for ${method.name}`);
  }
}

/**
 * Calls a method over REST. `messages` is the one request, or the array of them
 * for a client stream; the answer is an array for a server stream.
 */
export async function callRest(way, method, messages, inNamespace, form = "application/json") {
  const input = method.input;
  const asJson = Array.isArray(messages)
    ? messages.map((message) => toJson(input, message))
    : toJson(input, messages);
  const { verb = "POST", path, body } = way.route(method, asJson);
  const lines = Array.isArray(messages) && form === "application/x-ndjson";
  const text =
    body === undefined
      ? undefined
      : lines
        ? body.map((line) => JSON.stringify(line) + "\n").join("")
        : JSON.stringify(body);
  const response = await fetch(baseUrl + path, {
    method: verb,
    body: text,
    headers: {
      accept: method.methodKind === "server_streaming" ? form : "application/json",
      "x-namespace": inNamespace,
      ...(text === undefined ? {} : { "content-type": lines ? form : "application/json" }),
    },
  });
  const answer = await response.text();
  if (!response.ok) throw way.error(response.status, answer);
  if (method.methodKind === "server_streaming") {
    return elements(answer, form).map((json) => fromJson(method.output, json));
  }
  return fromJson(method.output, JSON.parse(answer));
}

/** The elements of a streamed answer in one of its three forms. */
export function elements(text, form) {
  switch (form) {
    case "application/json":
      return JSON.parse(text);
    case "application/x-ndjson":
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line));
    case "text/event-stream": {
      const events = text.split("\n\n").filter((event) => event !== "");
      // The last one tells a browser's EventSource not to connect again.
      if (events.pop() !== "event: end\ndata: {}") throw new Error(`no end in ${text}`);
      return events.map((event) => JSON.parse(event.replace(/^id: \d+\ndata:/, "")));
    }
    default:
      throw new Error(`no form ${form}`);
  }
}

/** The error of a body such as `{"code":5,"message":"…","details":[]}`. */
function statusError(httpStatus, text) {
  const body = JSON.parse(text);
  const error = new ConnectError(body.message, body.code);
  error.httpStatus = httpStatus;
  return error;
}

/** The error of a body such as `{"detail":"…"}`, with the code of its status. */
function detailError(httpStatus, text) {
  const body = JSON.parse(text);
  const codes = { 400: Code.InvalidArgument, 404: Code.NotFound, 429: Code.ResourceExhausted };
  const error = new ConnectError(body.detail, codes[httpStatus] ?? Code.Unknown);
  error.httpStatus = httpStatus;
  return error;
}
