"""PyPI genutility, class LiveAgentAsync (aiohttp): polls in a task of its own while the chat goes
on. It never acks, and checks that answers carry the content type of JSON."""

import asyncio

from genutility.salesforce import LiveAgentAsync
from genutility_driver import AGENT_END, LINES, SLOTS, Driver, run

driver = Driver("genutility async")


async def chat():
    client = driver.client(LiveAgentAsync)
    changed = asyncio.Condition()

    async def poll():
        while not driver.has("ended by agent"):
            messages = await client.receive()
            async with changed:
                driver.take(messages)
                changed.notify_all()

    async def until(condition):
        async with changed:
            await changed.wait_for(condition)

    if await client.is_available():
        driver.step("available")
    await client.connect("Ada Tester", slots=SLOTS)
    polling = asyncio.create_task(poll())
    polling.add_done_callback(report)
    await until(lambda: driver.has("established") and driver.has("greeting"))
    for text in LINES:
        peek = await client.rest_chasitor_sneak_peek(client.key, client.affinity_token, 0, text[:3])
        driver.posted(peek)
        driver.posted(await client.send(text))
        await until(lambda: driver.answered(text))
    if driver.options.end == "agent":
        driver.posted(await client.send(AGENT_END))
        await until(lambda: driver.has("ended by agent"))
        driver.finish("ended by agent")
    polling.cancel()
    driver.posted(await client.close())
    driver.step("ended")
    driver.finish("ended")


def report(task):
    """A poll that fails in mid-chat ends the run at once."""
    if not task.cancelled() and task.exception():
        driver.problem(f"poll: {type(task.exception()).__name__}: {task.exception()}")
        driver.finish("ended")


run(driver, lambda: asyncio.run(chat()))
