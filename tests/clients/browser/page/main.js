// What the page can be asked to do. Each task gets the address of the API, and
// gives back what it saw, as JSON.

import { cancelled, connectWeb } from "./connect.js";
import { grpcWeb } from "./grpc-web.js";
import { events, lines, noEvents, uninvited } from "./plain.js";
import { conversation, mistakes, protobuf, upload } from "./socket.js";

globalThis.tasks = {
  cancelled,
  connectWeb,
  conversation,
  events,
  grpcWeb,
  lines,
  mistakes,
  noEvents,
  protobuf,
  uninvited,
  upload,
};
