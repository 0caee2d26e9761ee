// What the official TypeScript client sees of a server over stdio, as JSON lines.
//
// usage: node transcript.mjs everything|filesystem FOLDER -- COMMAND...
//
// Run by scripts/conformance, with and without the gateway in COMMAND: both must print the same.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";

const [scenario, folder, , command, ...args] = process.argv.slice(2);
const show = (what, value) => console.log(JSON.stringify({ [what]: value }));
const attempt = async (what, call) => {
  try {
    show(what, await call());
  } catch (error) {
    show(what, { error: error.message, code: error.code, data: error.data });
  }
};

const client = new Client(
  { name: "transcript", version: "1" },
  { capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } } },
);
// What the server asks of its client.
client.setRequestHandler(CreateMessageRequestSchema, async (request) => {
  show("asked for a message", request.params);
  return { model: "echo", role: "assistant", content: { type: "text", text: "an answer \u00fc" } };
});
client.setRequestHandler(ElicitRequestSchema, async (request) => {
  show("asked for a form", request.params.message);
  return { action: "decline" };
});
client.setRequestHandler(ListRootsRequestSchema, async () => ({ roots: [{ uri: `file://${folder}`, name: "here" }] }));
client.setNotificationHandler(LoggingMessageNotificationSchema, () => {});
await client.connect(new StdioClientTransport({ command, args, stderr: "ignore" }));
show("server", [client.getServerVersion(), client.getServerCapabilities(), client.getInstructions()]);

const call = (name, args) => attempt(name, () => client.callTool({ name, arguments: args }));

async function everything() {
  await attempt("tools", () => client.listTools());
  await call("echo", { message: "h\u00e9llo \u2028 \u{1f600}" });
  await call("get-sum", { a: 1, b: 2 });
  await call("trigger-sampling-request", { prompt: "why?", maxTokens: 10 });
  await call("trigger-elicitation-request", {});
  await call("get-roots-list", {});
  await call("gzip-file-as-resource", { name: "x", data: "not a url", outputType: "resource" });
  await attempt("unknown tool", () => client.callTool({ name: "none", arguments: {} }));
  await attempt("unknown method", () => client.request({ method: "acme/none", params: {} }, { parse: (x) => x }));
  await attempt("prompts", () => client.listPrompts());
  await attempt("completion", () =>
    client.complete({ ref: { type: "ref/prompt", name: "completable-prompt" }, argument: { name: "department", value: "E" } }),
  );
  await attempt("level", () => client.setLoggingLevel("error"));
  const progress = [];
  await attempt("progress", () =>
    client.callTool({ name: "trigger-long-running-operation", arguments: { duration: 1, steps: 4 } }, undefined, {
      onprogress: (step) => progress.push(step),
    }),
  );
  // Without the last: where it comes together with the result, the client itself may drop it.
  show("steps", progress.slice(0, 3));
  const given_up = new AbortController();
  const abandoned = attempt("given up", () =>
    client.callTool({ name: "trigger-long-running-operation", arguments: { duration: 60, steps: 60 } }, undefined, {
      signal: given_up.signal,
    }),
  );
  given_up.abort("no more");
  await abandoned;
  await attempt("ping", () => client.ping());
}

async function filesystem() {
  await attempt("tools", () => client.listTools());
  await call("write_file", { path: `${folder}/a.txt`, content: "one\ntwo\n" });
  await call("read_text_file", { path: `${folder}/a.txt` });
  await call("read_multiple_files", { paths: [`${folder}/a.txt`, `${folder}/none`] });
  await call("directory_tree", { path: folder });
  await call("create_directory", { path: "/no/such/place" });
  // All at once: whatever comes first, each answer is that of its call.
  const many = Array.from({ length: 200 }, (_, n) =>
    client.callTool({ name: "write_file", arguments: { path: `${folder}/${n}.txt`, content: `${n}` } }),
  );
  show("written", (await Promise.all(many)).map((result) => result.content));
  const read = Array.from({ length: 200 }, (_, n) =>
    client.callTool({ name: "read_text_file", arguments: { path: `${folder}/${n}.txt` } }),
  );
  show("read", (await Promise.all(read)).map((result) => result.content));
}

await { everything, filesystem }[scenario]();
await client.close();
