"""Events per second of CPU that the receiver takes in: ``python bench/receiver.py [--kafka HOST:PORT] [--seconds 3]``.

A child process serves (with a store in memory, or into a real Kafka) and tells its own CPU time; this one posts bodies of
1, 100 and 500 sample events over 16 connections. Figures are events per second of the server's CPU, and wall clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
CONNECTIONS = 16


class Memory:
    """Confirms at once."""

    event_limit = dead_letter_limit = 1_000_000

    async def store(self, *_records) -> None:
        """Confirm."""
        await asyncio.sleep(0)


def serve(told: Connection, kafka: str | None) -> None:
    import uvloop

    from bridge.settings import KafkaSettings, ReceiverSettings, TelemetrySettings
    from bridge.telemetry.logs import configure_logging

    configure_logging(TelemetrySettings(log_level="warning"))

    async def main() -> None:
        from bridge.moengage.listener import Listener
        from bridge.moengage.receiver import Receiver
        from bridge.telemetry.metrics import Metrics

        settings = ReceiverSettings(host="127.0.0.1", port=0, auth="header", header_value="k")
        if kafka is None:
            await until_told(Listener(settings, Receiver(settings, Memory(), Metrics())))
            return
        from bridge.pipeline.publisher import KafkaPublisher

        topic = f"bench-{os.getpid()}"
        made = KafkaSettings(
            bootstrap_servers=(kafka,), topic=topic, dead_letter_topic=f"{topic}.dead", create_topics=True
        )
        async with KafkaPublisher(made) as publisher:
            await publisher.connected(20)
            await until_told(Listener(settings, Receiver(settings, publisher, Metrics())))

    async def until_told(listener) -> None:
        async with listener:
            told.send(listener.port)
            while (await asyncio.to_thread(told.recv)) == "cpu":
                told.send(time.process_time())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def body(count: int) -> bytes:
    lines = (ROOT / "tests/data/samples/moengage-events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [event for line in lines for event in json.loads(line).get("events", [])]
    chosen = (events * 5)[20 : 20 + count]
    return json.dumps({"app_name": "A", "source": "MOENGAGE", "moe_request_id": "r", "events": chosen}).encode()


async def load(port: int, payload: bytes, seconds: float) -> int:
    head = b"POST /moengage/streams HTTP/1.1\r\nHost: x\r\nX-Api-Key: k\r\nContent-Type: application/json\r\n"
    request = head + b"Content-Length: %d\r\n\r\n" % len(payload) + payload
    until = time.monotonic() + seconds

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        done = 0
        while time.monotonic() < until:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 OK" in answer, answer
            await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            done += 1
        writer.close()
        return done

    return sum(await asyncio.gather(*(one() for _ in range(CONNECTIONS))))


def main() -> None:
    import uvloop

    parser = argparse.ArgumentParser()
    parser.add_argument("--kafka")
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=serve, args=(there, options.kafka), daemon=True)
    child.start()
    port = here.recv()

    def cpu() -> float:
        here.send("cpu")
        return here.recv()

    print(f"store: {options.kafka or 'memory'}")
    for count in (1, 100, 500):
        payload = body(count)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(load(port, payload, 0.5))
            before, began = cpu(), time.monotonic()
            requests = runner.run(load(port, payload, options.seconds))
            wall, used = time.monotonic() - began, cpu() - before
        events = requests * count
        print(
            f"{count:4d} events a request ({len(payload) // count} B each): {events / used:9,.0f} events/s of CPU"
            f" ({used / events * 1e6:.1f} µs an event); {events / wall:9,.0f} events/s, {requests / wall:,.0f} requests/s"
        )
    here.send("stop")
    child.join(10)


if __name__ == "__main__":
    main()
