"""What a request to AEP costs this side and the emulator: CPU per request and per event, and events per second.

python bench/aep_requests.py [--fast]        (two processes, loopback, about ten seconds)
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import uvloop

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bridge.aep.destination import open_destination  # noqa: E402 - the project is not installed where benchmarks run
from bridge.settings import load_settings  # noqa: E402
from bridge.telemetry.metrics import Metrics  # noqa: E402
from bridge.verdicts import AllAccepted  # noqa: E402

SIZES = ((1, 2_000), (10, 2_000), (700, 150))
IN_FLIGHT = 16


async def measure(events, requests):
    async with open_destination(load_settings(), Metrics()) as destination:
        event = json.loads((ROOT / "tests/data/samples/seed-event.expected.json").read_text())
        items = [destination.encode(event | {"_id": f"event-{number}"}) for number in range(events)]
        assert await destination.send(items) == AllAccepted()
        left = requests

        async def lane():
            nonlocal left
            while left > 0:
                left -= 1
                assert await destination.send(items) == AllAccepted()

        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))
        return time.perf_counter() - wall, time.process_time() - cpu, sum(map(len, items))


def main():
    command = [sys.executable, "-m", "bridge", "emulator", "--port", "0", "--json", *sys.argv[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        try:
            os.environ |= json.loads(process.stdout.readline())["environment"]
            emulator = psutil.Process(process.pid)
            print(f"{IN_FLIGHT} in flight; CPU in ms per request (us per event)")
            for events, requests in SIZES:
                before = sum(emulator.cpu_times()[:2])
                wall, cpu, size = uvloop.run(measure(events, requests))
                theirs = sum(emulator.cpu_times()[:2]) - before
                print(
                    f"{events:>4} events, {size:>7} bytes: bridge {cpu / requests * 1e3:6.2f} ({cpu / requests / events * 1e6:6.1f}),"
                    f" emulator {theirs / requests * 1e3:6.2f} ({theirs / requests / events * 1e6:6.1f}),"
                    f" {requests / wall:6.0f} requests/s, {requests * events / wall:7.0f} events/s"
                )
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
