// A visit of a real browser to a page of ours: the page comes from a small
// server of its own, so that its origin is another than the API's.

import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import puppeteer from "puppeteer-core";

const address = process.env.PORTOLAN_ADDRESS;
if (!address) {
  throw new Error("PORTOLAN_ADDRESS is not set; run `cargo xtask test browser`");
}

const chromium = (process.env.PATH ?? "")
  .split(path.delimiter)
  .map((folder) => path.join(folder, "chromium"))
  .find((file) => existsSync(file));
if (!chromium) {
  throw new Error("there is no chromium; run `cargo xtask test browser`");
}

const here = path.dirname(fileURLToPath(import.meta.url));

/** How long a page may take for one of its tasks. */
const LIMIT = 60_000;

/** The page's script with all that it imports. */
async function script() {
  const built = await build({
    entryPoints: [path.join(here, "page/main.js")],
    bundle: true,
    format: "iife",
    write: false,
    logLevel: "error",
  });
  return built.outputFiles[0].text;
}

export class Visit {
  #server;
  #browser;
  #profile;
  #page;

  /** Opens the page under this name of the machine, in a browser of its own. */
  static async begin(host) {
    const visit = new Visit();
    try {
      await visit.#open(host);
      return visit;
    } catch (error) {
      await visit.end();
      throw error;
    }
  }

  async #open(host) {
    const files = {
      "/": ["text/html", "<!doctype html><title>A page</title><script src=/main.js></script>"],
      "/main.js": ["text/javascript", await script()],
    };
    this.#server = createServer((request, response) => {
      const [type, text] = files[request.url] ?? [];
      response.writeHead(type ? 200 : 404, { "content-type": `${type ?? "text/plain"}; charset=utf-8` });
      response.end(text);
    });
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.#profile = await mkdtemp(path.join(tmpdir(), "portolan-browser-"));
    this.#browser = await puppeteer.launch({
      executablePath: chromium,
      headless: true,
      userDataDir: this.#profile,
      // Containers have no sandbox and little shared memory.
      args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
    });
    this.#page = await this.#browser.newPage();
    this.#page.on("pageerror", (error) => console.error(`the page failed: ${error}`));
    await this.#page.goto(`http://${host}:${this.#server.address().port}/`);
  }

  /** Has the page do one of its tasks, and gives what it saw. */
  async run(name, ...given) {
    const work = this.#page.evaluate(
      (task, base, rest) => globalThis.tasks[task](base, ...rest),
      name,
      `http://${address}`,
      given,
    );
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${name} takes too long`)), LIMIT);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async end() {
    await this.#browser?.close();
    this.#server?.closeAllConnections();
    this.#server?.close();
    if (this.#profile) await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
