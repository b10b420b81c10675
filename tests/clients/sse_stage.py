"""Makes the one event stream that every `sse_*` driver reads: a conversation on the MIAW emulator,
its agent's texts, pings five times a second and a stream that breaks every eight events.

Prints one line of JSON, which the drivers read from the file that `--stage` names.
"""

import argparse
import json
import time
import urllib.request
import uuid

ORG, DEPLOYMENT = "00D000000000001", "Compat_Web"

TEXTS = [
    "plain",
    "Grüße, 你好, مرحبا, <b>&</b> 👩‍👩‍👧 \U0001f44b",
    "two\nlines, and\r\nthree",
    "not lines: \u2028 \u2029 \u0085 \u000b \u000c",
    "data: no field\n\nid: 7\n\nevent: ping",
    ' "quotes", \\n and a tab\t ',
    "\ufeffbegins with a byte order mark",
    "long: " + "äö" * 20_000,
    *[f"number {n}" for n in range(8)],
    "last",
]
"""What the agent says."""


def ask(url, body=None, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def wait(what, condition):
    deadline = time.monotonic() + 20
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise SystemExit(f"waited 20 s for: {what}")
        time.sleep(0.02)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--miaw", required=True)
    parser.add_argument("--desk", required=True, help="the address of the desk, with /desk/")
    options = parser.parse_args()
    api = f"{options.miaw}/iamessage/api/v2"
    desk = options.desk.rstrip("/")
    identity = {"orgId": ORG, "esDeveloperName": DEPLOYMENT}
    identity |= {"capabilitiesVersion": "1", "platform": "Web"}
    token = ask(f"{api}/authorization/unauthenticated/access-token", identity)["accessToken"]
    conversation = str(uuid.uuid4())
    body = {"esDeveloperName": DEPLOYMENT, "conversationId": conversation}
    ask(f"{api}/conversation", body, token)
    chat = f"{desk}/chats/{conversation}"
    wait("an agent", lambda: ask(chat)["state"] == "active")
    for text in TEXTS:
        ask(f"{chat}/say", {"text": text})
    ask(f"{options.miaw}/emulator/miaw/knobs", {"ping_millis": 200, "drop_after_events": 8})
    headers = {"authorization": f"Bearer {token}", "x-org-id": ORG}
    stage = {"url": f"{options.miaw}/eventrouter/v1/sse", "headers": headers}
    print(json.dumps(stage | {"say": f"{chat}/say", "texts": TEXTS}))


main()
