"""PyPI httpx-sse over httpx: reads one response; the host connects again."""

import httpx
from httpx_sse import connect_sse
from sse_driver import Reader, run

reader = Reader("httpx-sse")


def read():
    last = "0"
    with httpx.Client(trust_env=False, timeout=20) as client:
        while True:
            headers = reader.headers(last)
            with connect_sse(client, "GET", reader.url, headers=headers) as source:
                reader.opened()
                for event in source.iter_sse():
                    last = event.id or last
                    reader.event(event.event, event.id, event.data)


run(reader, read)
