"""PyPI genutility, class LiveAgent, moved to another server in mid-chat with ReconnectSession.

With `--handover` the emulated service moves the chat: the next poll gets 503, as in life. Without,
the client moves by itself, which a bridge that keeps the chat must answer too.

The library's own `reconnect()` looks for the affinity token one level too high in the answer, a
fault of its own; its three requests are therefore called one by one, and the token is read here.
"""

import json
from urllib.request import Request, urlopen

import requests
from genutility.salesforce import LiveAgent
from genutility_driver import AGENT_END, LINES, SLOTS, Driver, run

driver = Driver("genutility reconnect")


def hand_over(client):
    """Moves the chat to another server and waits for the 503 that says so."""
    body = json.dumps({"handover": True}).encode()
    request = Request(driver.options.handover, body, {"content-type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        answer.read()
    try:
        while True:
            driver.take(client.receive())
    except requests.HTTPError as error:
        if error.response.status_code != 503:
            raise
    driver.step("moved")


def chat():
    client = driver.client(LiveAgent)

    def receive_until(condition):
        while not condition():
            driver.take(client.receive())

    if client.is_available():
        driver.step("available")
    client.connect("Ada Tester", slots=SLOTS)
    receive_until(lambda: driver.has("established") and driver.has("greeting"))
    driver.posted(client.send(LINES[0]))
    receive_until(lambda: driver.answered(LINES[0]))

    if driver.options.handover:
        hand_over(client)
    answer = client.rest_reconnect_session(client.key, "null", client.last_offset)
    moved = answer["messages"][0]
    if moved["type"] != "ReconnectSession":
        driver.problem(f"expected ReconnectSession, got {moved['type']}")
    client.affinity_token = moved["message"]["affinityToken"]
    if moved["message"].get("resetSequence", True):
        client._sequence = 0
    driver.step("reconnected")
    receive_until(lambda: driver.has("session data"))
    driver.posted(client.rest_chasitor_resync_state(client.key, client.affinity_token))
    driver.step("resynced")

    driver.posted(client.send(LINES[1]))
    receive_until(lambda: driver.answered(LINES[1]))
    if driver.options.end == "agent":
        driver.posted(client.send(AGENT_END))
        receive_until(lambda: driver.has("ended by agent"))
        driver.finish("ended by agent", ["reconnected", "session data", "resynced"])
    driver.posted(client.close())
    driver.step("ended")
    driver.finish("ended", ["reconnected", "session data", "resynced"])


run(driver, chat)
