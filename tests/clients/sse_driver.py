"""What the drivers of Python event stream libraries share: the stage, one deadline, what must have
been read, and the one line of JSON that tests/run reads.

A driver hands the library an address and headers and passes on each event as the library tells it.
Where a library leaves connecting again to its host, the driver does that with the id that the
library reports.
"""

import argparse
import json
import os
import threading
import urllib.request


class Reader:
    """What one library has read, and what it must have."""

    def __init__(self, client):
        parser = argparse.ArgumentParser(description=f"reads one stream with {client}")
        parser.add_argument("--stage", required=True, help="what sse_stage.py printed")
        parser.add_argument("--packages", help="unused: the interpreter is the environment's own")
        parser.add_argument("--deadline", type=float, default=60)
        options = parser.parse_args()
        with open(options.stage, encoding="utf-8") as file:
            self.stage = json.load(file)
        self.live = f"live: {client}"
        self.asked = False
        self.report = {"client": client, "mode": "stream", "ok": False}
        self.report.update(ids=[], texts=[], pings=0, opened=0, problems=[])
        timer = threading.Timer(options.deadline, self._give_up, [options.deadline])
        timer.daemon = True
        timer.start()

    @property
    def url(self):
        return self.stage["url"]

    def headers(self, last_id="0"):
        """Those of the first connection; the id is the one that the token came with."""
        return {**self.stage["headers"], "Last-Event-ID": last_id}

    def opened(self):
        """A connection was made."""
        self.report["opened"] += 1

    def event(self, name, id, data):
        """One event, as the library tells it."""
        if name == "ping":
            self.report["pings"] += 1
        else:
            self.report["ids"].append(id)
        if name == "CONVERSATION_MESSAGE":
            entry = json.loads(data)["conversationEntry"]
            payload = json.loads(entry["entryPayload"])
            self.report["texts"].append(payload["abstractMessage"]["staticContent"]["text"])
        texts = self.report["texts"]
        # The replay is over and the stream stands still: now an event that is on its way while the
        # library waits.
        if self.stage["texts"][-1] in texts and name == "ping" and not self.asked:
            self.asked = True
            self._say(self.live)
        if texts and texts[-1] == self.live:
            self._finish()

    def _say(self, text):
        body = json.dumps({"text": text}).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(urllib.request.Request(self.stage["say"], body), timeout=10).close()

    def problem(self, text):
        """Something that must not be."""
        self.report["problems"].append(str(text))

    def _finish(self):
        report = self.report
        numbers = [int(id) for id in report["ids"]]
        if numbers != sorted(set(numbers)):
            self.problem("the ids do not grow: something came twice or out of order")
        wanted = self.stage["texts"]
        said = [text for text in report["texts"] if not text.startswith("live: ")]
        # The echo agent's greeting comes first.
        if said[1:] != wanted:
            self.problem(f"the texts are not those of the agent: {len(said) - 1} of {len(wanted)}")
        if report["opened"] < 3:
            self.problem(f"opened {report['opened']} times: it was never broken and resumed")
        if not report["pings"]:
            self.problem("no ping was told")
        report["ok"] = not report["problems"]
        self._print()

    def _give_up(self, deadline):
        self.problem(f"deadline of {deadline:g} s reached")
        self._print()

    def _print(self):
        # The texts are long and known.
        shown = {**self.report, "texts": len(self.report["texts"])}
        print(json.dumps(shown, ensure_ascii=False), flush=True)
        os._exit(0 if self.report["ok"] else 1)


def run(reader, body):
    """Runs a driver's `body`; whatever it raises is a problem of the report."""
    try:
        body()
        reader.problem("the library stopped reading")
    except Exception as error:  # each library raises its own, and its HTTP client's
        reader.problem(f"{type(error).__name__}: {error}")
    reader._print()
