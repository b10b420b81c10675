"""PyPI aiohttp-sse-client2: connects again by itself, with the last id."""

import asyncio
from datetime import timedelta

from aiohttp_sse_client2.client import EventSource
from sse_driver import Reader, run

reader = Reader("aiohttp-sse-client2")


async def read():
    source = EventSource(
        reader.url,
        headers=reader.headers(),
        reconnection_time=timedelta(milliseconds=10),
        on_open=reader.opened,
        # A host's choice of aiohttp's: its default is half the longest event here.
        read_bufsize=1 << 20,
    )
    async with source:
        async for event in source:
            reader.event(event.message, event.last_event_id, event.data)


run(reader, lambda: asyncio.run(read()))
