// What a page has without any library: fetch and EventSource.

async function store(base, content, headers = {}) {
  const response = await fetch(`${base}/v1/memories`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ content }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

export async function lines(base) {
  const headers = { "x-namespace": "browser-lines" };
  await store(base, "line 1", headers);
  await store(base, "line 2", headers);
  const response = await fetch(`${base}/v1/memories`, {
    headers: { ...headers, accept: "application/x-ndjson", "x-request-id": "named-by-the-page" },
  });
  const contents = [];
  let rest = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + piece).split("\n");
    rest = parts.pop();
    for (const part of parts) contents.push(JSON.parse(part).content);
  }
  const absent = await fetch(`${base}/v1/memories/00000000-0000-7000-8000-000000000000`);
  return {
    status: response.status,
    requestId: response.headers.get("x-request-id"),
    contents,
    error: { status: absent.status, code: (await absent.json()).code },
  };
}

export async function events(base) {
  // An EventSource sets no headers, so this is the default namespace.
  await store(base, "event 1");
  await store(base, "event 2");
  const source = new EventSource(`${base}/v1/memories`);
  const seen = { contents: [], ended: false, errors: 0 };
  await new Promise((resolve) => {
    source.onmessage = ({ data }) => seen.contents.push(JSON.parse(data).content);
    source.onerror = () => {
      seen.errors += 1;
      resolve();
    };
    source.addEventListener("end", () => {
      seen.ended = true;
      resolve();
    });
  });
  source.close();
  return seen;
}

export function noEvents(base) {
  // An HTTP status is no stream, and a browser does not try again.
  return closed(`${base}/v1/memories?limit=nothing`).then((state) => ({ closed: state }));
}

function closed(url) {
  const source = new EventSource(url);
  return new Promise((resolve) => {
    source.onmessage = () => resolve(false);
    source.onerror = () => resolve(source.readyState === EventSource.CLOSED);
  }).finally(() => source.close());
}

export async function uninvited(base) {
  const outcome = (promise) => promise.then(() => "answered", (error) => error.name);
  const socket = new WebSocket(`${base}/v1/memories`.replace("http", "ws"));
  const opened = new Promise((resolve) => {
    socket.onclose = ({ code }) => resolve(code);
    socket.onopen = () => resolve("open");
  });
  return {
    simple: await outcome(fetch(`${base}/v1/memories`)),
    preflighted: await outcome(store(base, "from nowhere")),
    events: (await closed(`${base}/v1/memories`)) ? "closed" : "open",
    socket: await opened,
  };
}
