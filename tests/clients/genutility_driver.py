"""What the genutility drivers share: arguments, the list of what must happen in a chat, one
deadline, and the one line of JSON that tests/run reads.

A driver plays the host program of the library: it calls it as its docstrings say and looks only
at what the library returns. It never speaks the protocol itself.
"""

import argparse
import json
import os
import sys
import threading
from urllib.parse import urlsplit

LINES = ["hello from a third-party client", "second line: Grüße, 你好, <b>&</b> 👋"]
"""What the visitor writes; the desk's echo agent answers each with `echo: <text>`."""

AGENT_END = "agent_end"
"""The text on which the echo agent ends the chat instead of answering."""

SLOTS = {"Email": "ada@example.com", "Subject": "Compat check"}
"""The pre-chat details; the library builds the request's list from them."""

STEPS = ["available", "accepted", "established", "greeting", "agent typing", "reply"]
"""What every chat must have seen before its end."""


class Driver:
    """One chat: its options, what was seen, and the report."""

    def __init__(self, client):
        parser = argparse.ArgumentParser(description=f"drives {client} through one chat")
        parser.add_argument("--base", required=True, help="the Live Agent base URL")
        parser.add_argument("--org", default="00D000000000001")
        parser.add_argument("--deployment", default="572000000000001")
        parser.add_argument("--button", default="573000000000001")
        parser.add_argument("--mode", default="direct")
        parser.add_argument("--end", choices=["visitor", "agent"], default="visitor")
        parser.add_argument("--handover", help="the emulator's knobs, to move the chat with a 503")
        parser.add_argument("--packages", help="unused: the interpreter is the environment's own")
        parser.add_argument("--deadline", type=float, default=60)
        self.options = parser.parse_args()
        self.report = {"client": client, "mode": self.options.mode, "end": self.options.end}
        self.report.update(ok=False, steps=[], received=[], problems=[])
        timer = threading.Timer(self.options.deadline, self._give_up)
        timer.daemon = True
        timer.start()

    def client(self, constructor):
        """The library's client for the given base URL."""
        base = urlsplit(self.options.base)
        return constructor(
            base.netloc,
            self.options.org,
            self.options.deployment,
            self.options.button,
            scheme=base.scheme,
        )

    def step(self, name):
        """Something happened, the first time it did."""
        if name not in self.report["steps"]:
            self.report["steps"].append(name)

    def has(self, name):
        """Whether the step was seen."""
        return name in self.report["steps"]

    def problem(self, text):
        """Something that must not be."""
        self.report["problems"].append(str(text))

    def take(self, messages):
        """Notes what one poll of the library returned."""
        for message in messages:
            kind, body = message["type"], message["message"]
            if kind == "ChatMessage":
                text = body["text"]
                self.report["received"].append(text)
                self.step("reply" if text.startswith("echo: ") else "greeting")
            elif kind == "ChatRequestFail":
                self.problem(f"refused: {body.get('reason')}")
            elif kind in NAMES:
                self.step(NAMES[kind])

    def answered(self, text):
        """Whether the agent's answer to `text` has come."""
        return f"echo: {text}" in self.report["received"]

    def posted(self, body):
        """A POST is answered with these two characters and nothing else."""
        if body != b"OK":
            self.problem(f"a POST was answered {body!r}, expected b'OK'")

    def finish(self, last, extra=()):
        """Compares what happened with what must, prints the report, ends the process."""
        missing = [name for name in [*STEPS, *extra, last] if not self.has(name)]
        if missing:
            self.problem(f"never happened: {', '.join(missing)}")
        wanted = [f"echo: {text}" for text in LINES]
        if self.report["received"][1:] != wanted:
            self.problem(f"after the greeting the texts should be {wanted}")
        self.report["ok"] = not self.report["problems"]
        self._print()

    def _give_up(self):
        self.problem(f"deadline of {self.options.deadline:g} s reached")
        self._print()

    def _print(self):
        print(json.dumps(self.report, ensure_ascii=False), flush=True)
        sys.stderr.flush()
        os._exit(0 if self.report["ok"] else 1)


NAMES = {
    "ChatRequestSuccess": "accepted",
    "ChatEstablished": "established",
    "AgentTyping": "agent typing",
    "ChasitorSessionData": "session data",
    "ChatEnded": "ended by agent",
}
"""The step that each kind of message stands for."""


def run(driver, body):
    """Runs a driver's `body`; whatever it raises is a problem of the report."""
    try:
        body()
    except Exception as error:  # the library raises requests', aiohttp's and its own errors
        driver.problem(f"{type(error).__name__}: {error}")
        driver.finish("ended")
