// WebSockets, for which a page needs no library either.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { MemorySchema, StreamMemoriesRequestSchema } from "../gen/somafractalmemory/v1/memory_pb.js";

/** A header as a subprotocol: its value in base64url, without padding. */
function header(name, value) {
  const encoded = btoa(value).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return `portolan.header.${name}.${encoded}`;
}

/** An open WebSocket whose messages wait to be taken. */
class Talk {
  #waiting = [];
  #messages = [];
  closed;

  constructor(base, path, protocols = ["portolan.json"]) {
    this.socket = new WebSocket(base.replace("http", "ws") + path, protocols);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => {
      const waiting = this.#waiting.shift();
      if (waiting) waiting(data);
      else this.#messages.push(data);
    };
    this.closed = new Promise((resolve) => {
      this.socket.onclose = ({ code, reason, wasClean }) => {
        for (const waiting of this.#waiting) waiting(undefined);
        resolve({ code, reason, wasClean });
      };
    });
  }

  static async open(...given) {
    const talk = new Talk(...given);
    await new Promise((resolve, reject) => {
      talk.socket.onopen = resolve;
      talk.closed.then(({ code }) => reject(new Error(`closed with ${code}`)));
    });
    return talk;
  }

  say(message) {
    this.socket.send(JSON.stringify(message));
  }

  /** Says that there are no more messages. */
  done() {
    this.socket.send("");
  }

  /** The next message as it came; nothing once the socket is closed. */
  take() {
    if (this.#messages.length > 0) return Promise.resolve(this.#messages.shift());
    if (this.socket.readyState === WebSocket.CLOSED) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async rest() {
    const close = await this.closed;
    return { messages: this.#messages, close };
  }
}

export async function conversation(base) {
  const talk = await Talk.open(base, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
  talk.say({ listServices: "" });
  const list = JSON.parse(await talk.take());
  const services = list.listServicesResponse.service.map(({ name }) => name);
  // The second question is one that the first answer raises.
  talk.say({ fileContainingSymbol: services[0] });
  const file = JSON.parse(await talk.take());
  talk.done();
  const { close } = await talk.rest();
  return {
    services,
    file: file.fileDescriptorResponse.fileDescriptorProto.length > 0,
    close,
    protocol: talk.socket.protocol,
  };
}

export async function upload(base, count) {
  const place = ["portolan.json", header("x-namespace", "browser-upload")];
  const talk = await Talk.open(base, "/v1/memories:batch", place);
  for (let n = 0; n < count; n++) talk.say({ content: `uploaded ${n}` });
  talk.done();
  const { messages, close } = await talk.rest();
  const size = async (protocols) => {
    const all = await Talk.open(base, "/v1/memories?query=uploaded", protocols);
    return (await all.rest()).messages.length;
  };
  return {
    storedCount: JSON.parse(messages[0]).storedCount,
    close,
    there: await size(place),
    elsewhere: await size(["portolan.json"]),
  };
}

export async function protobuf(base) {
  const place = header("x-namespace", "browser-protobuf");
  for (const content of ["p 1", "p 2"]) {
    const talk = await Talk.open(base, "/somafractalmemory.v1.MemoryService/StoreMemory", [
      "portolan.json",
      place,
    ]);
    talk.say({ content });
    await talk.rest();
  }
  const path = "/somafractalmemory.v1.MemoryService/StreamMemories";
  const talk = await Talk.open(base, path, ["portolan.proto", place]);
  const all = create(StreamMemoriesRequestSchema);
  talk.socket.send(toBinary(StreamMemoriesRequestSchema, all));
  const { messages, close } = await talk.rest();
  return {
    contents: messages.map((bytes) => fromBinary(MemorySchema, new Uint8Array(bytes)).content),
    close,
    protocol: talk.socket.protocol,
  };
}

export async function mistakes(base) {
  const ended = async (talk) => {
    const { messages, close } = await talk.rest();
    return { error: JSON.parse(messages.at(-1)).error, close };
  };
  const absent = await Talk.open(base, "/v1/memories/00000000-0000-7000-8000-000000000000");
  const path = "/somafractalmemory.v1.MemoryService/StoreMemory";
  const malformed = await Talk.open(base, path);
  malformed.socket.send("{");
  const large = await Talk.open(base, path);
  large.say({ content: "x".repeat(5 << 20) });
  return {
    absent: await ended(absent),
    malformed: await ended(malformed),
    large: await ended(large),
  };
}
