"""What the official Python client sees of a server over stdio, as JSON lines.

usage: transcript.py everything|filesystem FOLDER -- COMMAND...

Run by scripts/conformance, with and without the gateway in COMMAND: both must print the same.
"""

import json
import sys

import anyio
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

heard = []


def show(what, value):
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    print(json.dumps({what: value}, sort_keys=True), flush=True)


async def told(message):
    """Notifications, in their order."""
    if hasattr(message, "model_dump"):
        heard.append(message.model_dump(mode="json", by_alias=True, exclude_none=True))


async def attempt(what, call, *arguments, **named):
    """The result, or the error as the client has it."""
    try:
        show(what, await call(*arguments, **named))
    except Exception as error:  # the error is the result
        show(what, {"error": type(error).__name__, "text": str(error)})


async def progress_of(session, tool, arguments):
    steps = []

    async def step(progress, total, message):
        steps.append([progress, total, message])

    await attempt(tool, session.call_tool, tool, arguments, progress_callback=step)
    show("progress", steps)


async def everything(session, _folder):
    tools = await session.list_tools()
    show("tools", tools)
    await attempt("echo", session.call_tool, "echo", {"message": "h\u00e9llo \u2028 \U0001f600 \\ \" \n"})
    await attempt("sum", session.call_tool, "get-sum", {"a": 0.1, "b": 9007199254740993})
    await attempt("missing", session.call_tool, "no-such-tool", {})
    await attempt("wrong", session.call_tool, "get-sum", {"a": "x"})
    for tool in ("get-tiny-image", "get-structured-content", "get-annotated-message", "get-resource-links"):
        arguments = {"location": "New York", "messageType": "error", "count": 3}
        await attempt(tool, session.call_tool, tool, arguments)
    await progress_of(session, "trigger-long-running-operation", {"duration": 1, "steps": 5})
    await attempt("prompts", session.list_prompts)
    await attempt("prompt", session.get_prompt, "simple-prompt")
    await attempt("args", session.get_prompt, "args-prompt", {"city": "Ulm"})
    await attempt("resources", session.list_resources)
    await attempt("templates", session.list_resource_templates)
    await attempt("resource", session.read_resource, "demo://resource/static/document/architecture.md")
    await attempt("none", session.read_resource, "demo://nothing")
    await attempt("ping", session.send_ping)


async def filesystem(session, folder):
    show("tools", await session.list_tools())
    file = f"{folder}/a.txt"
    for tool, arguments in (
        ("write_file", {"path": file, "content": "one\ntwo\n\u00fc\n"}),
        ("read_text_file", {"path": file}),
        ("edit_file", {"path": file, "edits": [{"oldText": "two", "newText": "2"}]}),
        ("read_text_file", {"path": file, "head": 2}),
        ("list_directory", {"path": folder}),
        ("search_files", {"path": folder, "pattern": "*.txt"}),
        ("move_file", {"source": file, "destination": f"{folder}/b.txt"}),
        ("read_text_file", {"path": file}),
        ("read_text_file", {"path": "/etc/passwd"}),
        ("list_allowed_directories", {}),
        ("write_file", {"path": f"{folder}/big.txt", "content": "x" * (4 << 20)}),
        ("read_text_file", {"path": f"{folder}/big.txt"}),
    ):
        await attempt(tool, session.call_tool, tool, arguments)


async def main():
    scenario, folder = sys.argv[1:3]
    command = sys.argv[4:]
    parameters = StdioServerParameters(command=command[0], args=command[1:])
    async with stdio_client(parameters) as (reader, writer):
        async with ClientSession(reader, writer, message_handler=told) as session:
            show("initialize", await session.initialize())
            await {"everything": everything, "filesystem": filesystem}[scenario](session, folder)
    show("heard", heard)


anyio.run(main)
