"""PyPI sseclient-py over requests: parses the chunks of one response; the host connects again."""

import requests
from sse_driver import Reader, run
from sseclient import SSEClient

reader = Reader("sseclient-py")


def read():
    last = "0"
    with requests.Session() as session:
        session.trust_env = False
        while True:
            headers = reader.headers(last)
            answer = session.get(reader.url, headers=headers, stream=True, timeout=20)
            answer.raise_for_status()
            reader.opened()
            for event in SSEClient(answer).events():
                last = event.id or last
                reader.event(event.event, event.id, event.data)


run(reader, read)
