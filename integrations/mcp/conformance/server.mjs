// What the official conformance suite wants of a server, on the official TypeScript library: each tool, resource and
// prompt does what the scenario of its name describes.
//
// usage: node server.mjs http     listens on a free port of this machine, and prints its URL
//        node server.mjs stdio
//
// Run by scripts/conformance, with and without the gateway in front.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { InMemoryEventStore } from "@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";

// One pixel, and a sound of no length.
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

const text = (said) => ({ type: "text", text: said });
const image = { type: "image", data: PNG, mimeType: "image/png" };
const embedded = (uri, mimeType, said) => ({ type: "resource", resource: { uri, mimeType, text: said } });
const none = { type: "object", properties: {} };
const takes = (name) => ({ type: "object", properties: { [name]: { type: "string" } }, required: [name] });
const choice = (options) => ({ type: "string", enum: options });
const titled = (key, words) => words.map((title, at) => ({ const: `${key}${at + 1}`, title }));

// Asks the client's user; what the tool returns says what came.
async function form(extra, message, properties, required) {
  const params = { message, requestedSchema: { type: "object", properties, required } };
  const answer = await extra.sendRequest({ method: "elicitation/create", params }, ElicitResultSchema);
  return [text(`action=${answer.action}, content=${JSON.stringify(answer.content)}`)];
}

async function logs(extra) {
  for (const [at, data] of ["started", "goes on", "done"].entries()) {
    if (at > 0) await pause(50);
    await extra.sendNotification({ method: "notifications/message", params: { level: "info", data } });
  }
  return [text("logged")];
}

async function progress(extra, meta) {
  for (const progress of [0, 50, 100]) {
    if (progress > 0) await pause(50);
    const params = { progressToken: meta?.progressToken, progress, total: 100 };
    if (meta?.progressToken !== undefined) await extra.sendNotification({ method: "notifications/progress", params });
  }
  return [text("done")];
}

async function sampled(extra, prompt) {
  const params = { messages: [{ role: "user", content: text(prompt) }], maxTokens: 100 };
  const answer = await extra.sendRequest({ method: "sampling/createMessage", params }, CreateMessageResultSchema);
  return [text(`the model said: ${JSON.stringify(answer.content)}`)];
}

async function reconnection(extra) {
  // The client has to come back for the answer, if its transport can.
  extra.closeSSEStream?.();
  await pause(100);
  return [text("still here")];
}

// Name: what it takes, and what it does with the arguments, the call and its meta data.
const TOOLS = {
  test_simple_text: [none, () => [text("a simple text")]],
  test_image_content: [none, () => [image]],
  test_audio_content: [none, () => [{ type: "audio", data: WAV, mimeType: "audio/wav" }]],
  test_embedded_resource: [none, () => [embedded("test://embedded-resource", "text/plain", "an embedded resource")]],
  test_multiple_content_types: [
    none,
    () => [text("more than one"), image, embedded("test://mixed", "application/json", '{"value":123}')],
  ],
  test_tool_with_logging: [none, (_, extra) => logs(extra)],
  test_tool_with_progress: [none, (_, extra, meta) => progress(extra, meta)],
  test_error_handling: [none, () => Promise.reject(new Error("this tool always fails"))],
  test_sampling: [takes("prompt"), ({ prompt }, extra) => sampled(extra, prompt)],
  test_elicitation: [
    takes("message"),
    ({ message }, extra) =>
      form(extra, message, { username: { type: "string" }, email: { type: "string" } }, ["username", "email"]),
  ],
  test_elicitation_sep1034_defaults: [
    none,
    (_, extra) =>
      form(extra, "with defaults", {
        name: { type: "string", default: "John Doe" },
        age: { type: "integer", default: 30 },
        score: { type: "number", default: 95.5 },
        status: { ...choice(["active", "inactive", "pending"]), default: "active" },
        verified: { type: "boolean", default: true },
      }),
  ],
  test_elicitation_sep1330_enums: [
    none,
    (_, extra) =>
      form(extra, "with choices", {
        untitledSingle: choice(["option1", "option2", "option3"]),
        titledSingle: { type: "string", oneOf: titled("value", ["First", "Second", "Third"]) },
        legacyEnum: { ...choice(["opt1", "opt2", "opt3"]), enumNames: ["One", "Two", "Three"] },
        untitledMulti: { type: "array", items: choice(["option1", "option2", "option3"]) },
        titledMulti: { type: "array", items: { anyOf: titled("value", ["First", "Second", "Third"]) } },
      }),
  ],
  test_reconnection: [none, (_, extra) => reconnection(extra)],
  json_schema_2020_12_tool: [
    {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      $defs: { address: { type: "object", properties: { street: { type: "string" }, city: { type: "string" } } } },
      properties: { name: { type: "string" }, address: { $ref: "#/$defs/address" } },
      additionalProperties: false,
    },
    (args) => [text(JSON.stringify(args))],
  ],
};

const RESOURCES = {
  "test://static-text": { mimeType: "text/plain", text: "a static text" },
  "test://static-binary": { mimeType: "image/png", blob: PNG },
  "test://watched-resource": { mimeType: "text/plain", text: "somebody watches it" },
};

// Name: its arguments, and its messages.
const PROMPTS = {
  test_simple_prompt: [[], () => [text("a simple prompt")]],
  test_prompt_with_arguments: [["arg1", "arg2"], ({ arg1, arg2 }) => [text(`arg1='${arg1}', arg2='${arg2}'`)]],
  test_prompt_with_embedded_resource: [
    ["resourceUri"],
    ({ resourceUri }) => [embedded(resourceUri, "text/plain", "embedded"), text("see above")],
  ],
  test_prompt_with_image: [[], () => [image, text("see above")]],
};

function found(table, name) {
  if (!Object.hasOwn(table, name)) throw new McpError(ErrorCode.InvalidParams, `there is no ${name}`);
  return table[name];
}

async function call({ params }, extra) {
  const [, run] = found(TOOLS, params.name);
  try {
    return { content: await run(params.arguments ?? {}, extra, params._meta) };
  } catch (error) {
    return { isError: true, content: [text(error.message)] };
  }
}

function read({ params: { uri } }) {
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  const content = id ? { mimeType: "application/json", text: JSON.stringify({ id }) } : found(RESOURCES, uri);
  return { contents: [{ uri, ...content }] };
}

function prompt({ params }) {
  const [, messages] = found(PROMPTS, params.name);
  return { messages: messages(params.arguments ?? {}).map((content) => ({ role: "user", content })) };
}

function made() {
  const capabilities = {
    completions: {},
    logging: {},
    prompts: {},
    resources: { subscribe: true },
    tools: {},
  };
  const server = new Server({ name: "conformance", version: "1.0.0" }, { capabilities });
  const tools = Object.entries(TOOLS).map(([name, [inputSchema]]) => ({ name, description: name, inputSchema }));
  const resources = Object.entries(RESOURCES).map(([uri, { mimeType }]) => ({ uri, name: uri, description: uri, mimeType }));
  const template = { uriTemplate: "test://template/{id}/data", name: "template", mimeType: "application/json" };
  const prompts = Object.entries(PROMPTS).map(([name, [names]]) => {
    return { name, description: name, arguments: names.map((name) => ({ name, required: true })) };
  });
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
  server.setRequestHandler(CallToolRequestSchema, call);
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: [template] }));
  server.setRequestHandler(ReadResourceRequestSchema, read);
  server.setRequestHandler(SubscribeRequestSchema, () => ({}));
  server.setRequestHandler(UnsubscribeRequestSchema, () => ({}));
  server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts }));
  server.setRequestHandler(GetPromptRequestSchema, prompt);
  server.setRequestHandler(CompleteRequestSchema, () => ({ completion: { values: ["paris", "park"], hasMore: false } }));
  server.setRequestHandler(SetLevelRequestSchema, () => ({}));
  return server;
}

const sessions = new Map();

async function answer(request, response, hosts) {
  const id = request.headers["mcp-session-id"];
  let transport = sessions.get(id);
  if (id && !transport) return response.writeHead(404).end();
  if (!transport) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: new InMemoryEventStore(),
      retryInterval: 100,
      enableDnsRebindingProtection: true,
      allowedHosts: hosts,
      onsessioninitialized: (id) => sessions.set(id, transport),
      onsessionclosed: (id) => sessions.delete(id),
    });
    await made().connect(transport);
  }
  await transport.handleRequest(request, response);
}

if (process.argv[2] === "stdio") {
  await made().connect(new StdioServerTransport());
} else {
  const server = createServer((request, response) => {
    const { port } = server.address();
    answer(request, response, [`127.0.0.1:${port}`, `localhost:${port}`]).catch((error) => {
      console.error(error);
      response.destroy();
    });
  });
  server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/mcp`));
}
