// Answers the questions of the differential test with @bufbuild/protobuf. What
// is asked and answered how stands in ../python/driver.py.

import { createInterface } from "node:readline";
import {
  createFileRegistry,
  fromBinary,
  fromJsonString,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
let registry;

function answer(what, name, content) {
  if (what === "S") {
    registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, content));
    return "";
  }
  const type = registry.getMessage(name);
  if (what === "W") {
    return toJsonString(type, fromBinary(type, content), { registry });
  }
  return toBinary(type, fromJsonString(type, text.decode(content), { registry }));
}

for await (const line of createInterface({ input: process.stdin })) {
  const [what, ...words] = line.split(" ");
  const name = what === "S" ? undefined : words.shift();
  try {
    const result = answer(what, name, Buffer.from(words[0] ?? "", "base64"));
    process.stdout.write(`ok ${Buffer.from(result).toString("base64")}\n`);
  } catch (error) {
    // Whatever it is, it is a refusal.
    process.stdout.write(`no ${error.name} ${error.message.replace(/\s+/g, " ")}\n`);
  }
}
