"""One worker from a preloaded topic into the emulator: events a second, CPU, memory, requests, lost and repeated.

    python bench/worker_throughput.py --events 200000 --payload raw

A real Apache Kafka (Java 17 and Maven) on this machine; worker pinned to one core, emulator and broker to the others.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import psutil  # noqa: E402
from confluent_kafka import Producer  # noqa: E402
from kafka_broker import Broker, create_topic  # noqa: E402
from processes import BridgeProcess, free_port, get  # noqa: E402

from bridge.aep.emulator.server import CLIENT_ID, CLIENT_SECRET  # noqa: E402

SEED = ROOT / "tests" / "data" / "samples" / "seed-event.json"


def records(count):
    """Numbered MoEngage events of about 1 KB, keyed by user."""
    event = (
        json.loads(SEED.read_text()) if SEED.is_file() else {"event_code": "EMAIL_SENT", "uid": "u", "fill": "x" * 900}
    )
    for number in range(count):
        event["event_uuid"] = event["id"] = f"b1a7{number:028x}"
        yield str(number % 5_000).encode(), json.dumps(event).encode()


def preload(bootstrap, topic, count):
    """Fill the topic; gives the mean size of a record."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 200_000})
    size = 0
    for key, value in records(count):
        while True:
            try:
                producer.produce(topic, value, key=key)
                break
            except BufferError:
                producer.poll(0.1)
        size += len(value)
    producer.flush()
    return size / count


def main():
    """Run once and print a line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--payload", choices=["raw", "xdm"], default="xdm")
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--set", action="append", default=[], metavar="BRIDGE_NAME=VALUE", help="more settings")
    parser.add_argument("--profile", help="py-spy output file (py-spy must be installed)")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "kafka") as broker:
        topic = create_topic(broker.bootstrap, "bench", partitions=options.partitions)
        create_topic(broker.bootstrap, "bench-dead", partitions=1)
        mean = preload(broker.bootstrap, topic, options.events)
        port = free_port()
        emulator = BridgeProcess(
            ["emulator", "--port", str(port), "--fast", "--any"],
            {"BRIDGE_AEP__PAYLOAD": options.payload},
            directory=Path(folder),
        ).start()
        while get(f"http://127.0.0.1:{port}/received")[0] != 200:
            time.sleep(0.1)
        hexes = "0123456789abcdef"
        worker = BridgeProcess(
            ["worker"],
            {
                "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap,
                "BRIDGE_KAFKA__TOPIC": topic,
                "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": "bench-dead",
                "BRIDGE_AEP__ENDPOINT": f"http://127.0.0.1:{port}/collection/{hexes * 4}",
                "BRIDGE_AEP__PAYLOAD": options.payload,
                "BRIDGE_AEP__ORG_ID": "0123456789ABCDEF01234567@AdobeOrg",
                "BRIDGE_AEP__SCHEMA_ID": "https://ns.adobe.com/yourorgname/schemas/0123456789abcdef",
                "BRIDGE_AEP__DATASET_ID": "0123456789abcdef01234567",
                "BRIDGE_AEP__FLOW_ID": "01234567-89ab-cdef-0123-456789abcdef",
                "BRIDGE_OAUTH__TOKEN_URL": f"http://127.0.0.1:{port}/ims/token/v3",
                "BRIDGE_OAUTH__CLIENT_ID": CLIENT_ID,
                "BRIDGE_OAUTH__CLIENT_SECRET": CLIENT_SECRET,
                "BRIDGE_AEP__EVENTS_PER_SECOND": "0",
                "BRIDGE_AEP__REQUESTS_PER_SECOND": "0",
                "BRIDGE_MAPPING__PATH": str(ROOT / "mappings" / "moengage_events.csv"),
                **dict(pair.split("=", 1) for pair in options.set),
            },
            directory=Path(folder),
        ).start()
        process = psutil.Process(worker.pid)
        process.cpu_affinity(cores[:1])
        for other in psutil.Process().children(recursive=True):
            if other.pid != worker.pid:
                other.cpu_affinity(cores[1:] or cores)
        profiler = None
        if options.profile:
            import subprocess

            profiler = subprocess.Popen(
                ["py-spy", "record", "-p", str(worker.pid), "-o", options.profile, "-f", "raw", "-d", "12", "-r", "200"]
            )
        began = used = None
        peak = 0
        while True:
            delivered = worker.metric("bridge_delivered_events_total")
            peak = max(peak, process.memory_info().rss)
            now = time.monotonic()
            if began is None and delivered:
                idle = process.memory_info().rss
                began, first, used = now, delivered, sum(process.cpu_times()[:2])
            if delivered >= options.events or not worker.alive or (began and now - began > 120):
                break
            time.sleep(0.1)
        seconds = now - began
        spent = sum(process.cpu_times()[:2]) - used
        metrics = worker.metrics()
        if profiler:
            profiler.wait()
        code = worker.stop(20)
        received = json.loads(get(f"http://127.0.0.1:{port}/received")[1])
        events = delivered - first
        print(
            json.dumps(
                {
                    "payload": options.payload,
                    "events": options.events,
                    "record_bytes": round(mean),
                    "events_per_second": round(events / seconds),
                    "cpu_seconds_per_million": round(spent / events * 1e6, 1),
                    "first_mb": round(idle / 1e6),
                    "peak_mb": round(peak / 1e6),
                    "requests": metrics.get('bridge_delivery_requests_total{status="200"}')
                    or metrics.get('bridge_delivery_requests_total{status="207"}'),
                    "mean_batch": round(
                        metrics["bridge_delivery_batch_events_sum"] / metrics["bridge_delivery_batch_events_count"]
                    ),
                    "request_seconds": round(
                        metrics["bridge_delivery_seconds_sum"] / metrics["bridge_delivery_seconds_count"], 4
                    ),
                    "concurrency": metrics["bridge_delivery_concurrency"],
                    "received": received.get("events"),
                    "exit": code,
                }
            )
        )
        if code or "-v" in sys.argv:
            print(worker.tail(30), file=sys.stderr)
        emulator.stop(2)


if __name__ == "__main__":
    main()
