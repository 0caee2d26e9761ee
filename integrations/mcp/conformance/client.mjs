// What the official conformance suite wants of a client, on the official TypeScript library.
//
// usage: node client.mjs URL
//
// The suite says in MCP_CONFORMANCE_SCENARIO what is to be done. CONFORMANCE_GATEWAY is a JSON list: a command that
// is put in front of the server, `--http URL` added. With `--listen` among its words it is reached over HTTP, else
// over standard input and output; without the variable there is none. Run by scripts/conformance.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const url = process.argv.at(-1);
const gateway = JSON.parse(process.env.CONFORMANCE_GATEWAY ?? "[]");
let listening;

async function listen([command, ...args]) {
  listening = spawn(command, args, { stdio: ["ignore", "inherit", "pipe"] });
  for await (const line of createInterface(listening.stderr)) {
    const [, near] = /^listening on (.*)$/.exec(line) ?? [];
    if (near) return near;
  }
  throw new Error("the gateway does not listen");
}

async function transport() {
  if (gateway.length === 0) return new StreamableHTTPClientTransport(new URL(url));
  const [command, ...args] = [...gateway, "--http", url];
  if (!args.includes("--listen")) return new StdioClientTransport({ command, args });
  return new StreamableHTTPClientTransport(new URL(await listen([command, ...args])));
}

const capabilities = { elicitation: { form: { applyDefaults: true } } };
const client = new Client({ name: "conformance", version: "1.0.0" }, { capabilities });
client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: {} }));

const call = (name, args) => client.callTool({ name, arguments: args });
const SCENARIOS = {
  initialize: () => client.listTools(),
  tools_call: async () => {
    await client.listTools();
    await call("add_numbers", { a: 5, b: 3 });
  },
  "elicitation-sep1034-client-defaults": () => call("test_client_elicitation_defaults", {}),
  "sse-retry": () => call("test_reconnection", {}),
};

try {
  await client.connect(await transport());
  await SCENARIOS[scenario]();
  await client.close();
} finally {
  listening?.kill("SIGTERM");
}
