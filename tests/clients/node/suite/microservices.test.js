// The TypeScript server of the page on gRPC microservices (`microservices/`),
// compiled and put behind a gateway: REST reaches a server that knows nothing of
// it. The server has no reflection, so the gateway is given the contract.
//
// Changed in it: the address and the contract's folder come from the environment,
// and the repository, which the page does not show, is imported.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

const folder = new URL("../microservices/", import.meta.url).pathname;
const running = [];
let url;

/** Starts a program and gives what it says of where it listens. */
async function start(program, args, announcement, env = {}) {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.push(child);
  for await (const line of createInterface(child.stdout)) {
    const found = announcement.exec(line);
    if (found) {
      // Read on, so that the program never waits for a reader.
      child.stdout.resume();
      return found[1];
    }
  }
  throw new Error(`${program} says nothing of where it listens`);
}

before(async () => {
  const compiler = new URL("../node_modules/typescript/bin/tsc", import.meta.url).pathname;
  execFileSync(process.execPath, [compiler, "-p", folder], { stdio: "inherit" });
  const ready = /^Server running on port (\d+)$/;
  const port = await start(process.execPath, [`${folder}server.js`], ready, {
    ADDRESS: "127.0.0.1:0",
  });
  const proto = process.env.PORTOLAN_PROTO;
  url = await start(
    process.env.PORTOLAN_BINARY,
    ["gateway", "--listen", "127.0.0.1:0", "--upstream", `http://127.0.0.1:${port}`].concat(
      ["-I", proto, "--proto", `${proto}/user/v1/user.proto`],
    ),
    /^listening on (\S+)$/,
  );
});

after(async () => {
  for (const child of running.reverse()) {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
});

async function call(method, path, body, headers = {}) {
  const response = await fetch(url + path, {
    method,
    body: body && JSON.stringify(body),
    headers: { ...(body && { "content-type": "application/json" }), ...headers },
  });
  return { status: response.status, text: await response.text() };
}

test("a user that is not there", async () => {
  const answer = await call("GET", "/v1/users/1");
  assert.equal(answer.status, 404);
  assert.deepEqual(JSON.parse(answer.text), { code: 5, message: "User not found", details: [] });
});

test("users are made, found and listed", async () => {
  for (const [index, name] of ["Ada", "Grace", "Barbara"].entries()) {
    const email = `${name.toLowerCase()}@example.com`;
    const role = "USER_ROLE_MEMBER";
    const user = { id: String(index + 1), email, name, role };
    const made = await call("POST", "/v1/users", { email, name, role });
    assert.deepEqual([made.status, JSON.parse(made.text)], [200, { user }]);
    const found = await call("GET", `/v1/users/${user.id}`);
    assert.deepEqual([found.status, JSON.parse(found.text)], [200, { user }]);
  }
  const page = await call("GET", "/v1/users?page_size=2", undefined, {
    accept: "application/x-ndjson",
  });
  assert.equal(page.status, 200);
  const names = page.text.trim().split("\n").map((line) => JSON.parse(line).name);
  assert.deepEqual(names, ["Ada", "Grace"]);
});

test("a method that the page leaves out", async () => {
  const answer = await call("DELETE", "/v1/users/1");
  assert.equal(answer.status, 501);
});
