"""PyPI genutility, class LiveAgent (requests). It never acks, numbers its POSTs from 1 and stops
polling only when its host does."""

from genutility.salesforce import LiveAgent
from genutility_driver import AGENT_END, LINES, SLOTS, Driver, run

driver = Driver("genutility sync")


def chat():
    client = driver.client(LiveAgent)

    def receive_until(condition):
        while not condition():
            driver.take(client.receive())

    if client.is_available():
        driver.step("available")
    client.connect("Ada Tester", slots=SLOTS)
    receive_until(lambda: driver.has("established") and driver.has("greeting"))
    for text in LINES:
        peek = client.rest_chasitor_sneak_peek(client.key, client.affinity_token, 0, text[:3])
        driver.posted(peek)
        driver.posted(client.send(text))
        receive_until(lambda: driver.answered(text))
    if driver.options.end == "agent":
        driver.posted(client.send(AGENT_END))
        receive_until(lambda: driver.has("ended by agent"))
        driver.finish("ended by agent")
    driver.posted(client.close())
    driver.step("ended")
    driver.finish("ended")


run(driver, chat)
