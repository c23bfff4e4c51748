"""Changes of safety-critical lines, one at a time, and how long the simulator takes to find each.

``python -m simulation.mutants`` tries them all, each in a process of its own whose import of the module is changed.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_TESTS = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Mutant:
    """``old`` becomes ``new`` in a module of the worker."""

    name: str
    module: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "ledger takes chunks of another assignment", "bridge.kafka.consumer.ledger",
        "if lane is None or lane.generation != generation:\n            return None", "if lane is None:\n            return None",
    ),
    Mutant(
        "an offset too far is committable", "bridge.kafka.consumer.ledger",
        "partition: lane.position\n            for", "partition: lane.position + 1\n            for",
    ),
    Mutant("accepted events count twice", "bridge.kafka.consumer.ledger", "chunk.unresolved -= events", "chunk.unresolved = max(0, chunk.unresolved - 2 * events)"),
    Mutant(
        "a finished chunk passes an open one", "bridge.kafka.consumer.ledger",
        "chunks[0].admitted and not chunks[0].unresolved", "chunks[0].admitted",
    ),
    Mutant("closed chunks still resolve", "bridge.kafka.consumer.ledger", "        if chunk.closed:\n            return False\n", ""),
    Mutant("a closed chunk is not marked", "bridge.kafka.consumer.ledger", "                chunk.closed = True\n", ""),
    Mutant("a commit is confirmed though not stored", "bridge.kafka.consumer.consumption", "            if stored:\n", "            if True:\n"),
    Mutant("the commit of a revoke has no bound", "bridge.kafka.consumer.consumption", "deadline.timeout(most=_REVOKE_COMMIT_SECONDS)", "asyncio.timeout(None)"),
    Mutant("a revoke does not close the ledger", "bridge.kafka.consumer.consumption", "            self._ledger.close(tuple(self._ledger.committed()))\n", ""),
    Mutant("a revoke leaves the gate open", "bridge.kafka.consumer.consumption", "        self._gate.shut()\n", "        self._gate.shut()\n        self._gate.reopen()\n"),
    Mutant("the gate never reopens", "bridge.kafka.consumer.consumption", "            self._gate.reopen()\n", ""),
    Mutant("dropped chunks are not handed on again", "bridge.kafka.consumer.consumption", "        self._again = True\n", "        self._again = False\n"),
    Mutant("records come before their assignment", "bridge.kafka.consumer.consumption", "while not self._is_time_for(fetch.number):", "while False:"),
    Mutant("commits overlap", "bridge.kafka.consumer.consumption", "        async with self._committing:\n", "        async with asyncio.Lock():\n"),
    Mutant("dead letters count before they are stored", "bridge.kafka.dead_letters.store", "        self._queue.append(letter)\n", "        self._queue.append(letter)\n        self._stored(chunk, 1)\n"),
    Mutant("failed dead letters count as stored", "bridge.kafka.dead_letters.store", "                    await asyncio.sleep(self._backoff.delay(failures))", "                    self._confirm(letters)\n                    break"),
    Mutant("a revoke leaves what is to be delivered", "bridge.worker.drain", "        self.delivery.forget_gone()\n", ""),
    Mutant("failed dead letters are given up", "bridge.kafka.dead_letters.store", "                    await asyncio.sleep(self._backoff.delay(failures))", "                    break"),
    Mutant("events put off count as accepted", "bridge.delivery.settlement", "                case Transient(reason, suspect):\n                    again.setdefault(suspect, []).append(position)", "                case Transient(reason, suspect) if suspect is None:\n                    again.setdefault(suspect, []).append(position)"),
    Mutant("failed requests are forgotten", "bridge.delivery.delivery", "        self._waiting.put_back(again)\n", ""),
    Mutant("half of a request that is cut in two is forgotten", "bridge.delivery.settlement", "            return parts\n", "            return parts[:1]\n"),
    Mutant("throttled requests count as delivered", "bridge.delivery.settlement", "            case AllAccepted():", "            case AllAccepted() | Throttled():"),
    Mutant("a probe's answer does not close the circuit", "bridge.delivery.pacing", "        self._failures = self._opened = 0\n        self._probing = False\n", "        self._failures = 0\n"),
    Mutant("the end of a request wakes nobody", "bridge.delivery.delivery", "        self._metrics.delivery_in_flight.dec()\n        self._wake.set()\n", "        self._metrics.delivery_in_flight.dec()\n"),
    Mutant("lanes of keys run side by side", "bridge.delivery.waiting", "if lane % lanes not in self._under_way)", "if True)"),
    Mutant("a lane's rest goes behind what is fresh", "bridge.delivery.waiting", "        for shipment in reversed(shipments):\n            self._back[shipment.batch.lane].appendleft(shipment)", "        for shipment in shipments:\n            self._back[shipment.batch.lane].append(shipment)"),
    Mutant("a worker that stops says that all is done", "bridge.worker.stopping", "    if why or left or uncommitted:", "    if why:"),
    Mutant("the gate has no bound", "bridge.kafka.consumer.gate", "            self._may_hand_on\n            and self._events < self._max_events * part\n            and self._ledger.weight < self._max_bytes * part\n", "            True\n"),
    Mutant("an outage is not told", "bridge.worker.watch.readiness", 'health.watch("destination", self._destination_trouble)', 'health.watch("destination", lambda: None)'),
    Mutant("an unreadable partition is not told", "bridge.worker.watch.readiness", 'health.watch("reading", lambda: self.reading.trouble or None)', 'health.watch("reading", lambda: None)'),
    Mutant("events count before their state is stored", "bridge.worker.accepted_state.state_keeper", "            event.held += 1\n", "            free += 1\n"),
    Mutant(
        "events are mapped before the state is read", "bridge.worker.accepted_state.state_keeper",
        "shelf.generation == chunk.generation and shelf.ready", "shelf.generation == chunk.generation",
    ),
    Mutant(
        "a state that could not be written counts as stored", "bridge.worker.accepted_state.storing",
        "                self._fails(shelf, error)\n                await asyncio.sleep(self.backoff.delay(failures))\n", "                self._confirm(shelf)\n",
    ),
    Mutant(
        "owners write the same keys", "bridge.worker.accepted_state.fenced_state",
        'self._number = (offset + 1).to_bytes(_NUMBER_BYTES, "big")', 'self._number = (1).to_bytes(_NUMBER_BYTES, "big")',
    ),
    Mutant("a write of unknown end keeps its number", "bridge.worker.accepted_state.storing", "        shelf.ready = shelf.state is None\n        self._begin_trouble", "        shelf.ready = True\n        self._begin_trouble"),
    Mutant("state that cannot be written is not told", "bridge.worker.accepted_state.state_keeper", "        if self._storing.trouble:\n            return", "        if not self._storing.trouble and self._closed:\n            return"),
    Mutant("an older message about an audience counts", "bridge.sources.adobe.membership", "if before is None or time >= before[0]:", "if True:"),
    Mutant("records deleted unread are not told", "bridge.kafka.consumer.client.offset_account", "self.expired.append(lost)", "list().append(lost)"),
)  # fmt: skip


class _Changed(importlib.machinery.SourceFileLoader):
    """Loads a module with one change in its text."""

    def __init__(self, mutant, path):
        super().__init__(mutant.module, path)
        self._mutant = mutant

    def get_code(self, fullname):
        """The changed module's code, never from a cache."""
        text = Path(self.path).read_text(encoding="utf-8")
        if text.count(self._mutant.old) < 1:
            raise SystemExit(f"{self._mutant.name}: the line to change is not in {fullname}")
        return self.source_to_code(text.replace(self._mutant.old, self._mutant.new, 1).encode(), self.path)


class _Finder:
    """Puts the changed module in the place of the real one."""

    def __init__(self, mutant):
        self._mutant = mutant

    def find_spec(self, name, path=None, target=None):
        """See importlib."""
        if name != self._mutant.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        spec.loader = _Changed(self._mutant, spec.origin)
        return spec


def _try_here(number, seconds):
    sys.meta_path.insert(0, _Finder(MUTANTS[number]))
    from simulation.episode import find

    # In the CPU time of this process: the machine may have other work.
    began = time.process_time()
    finding = find(seconds)
    if finding is None:
        print(f"SURVIVES {seconds:g} s")
        return 1
    print(f"{time.process_time() - began:.1f} s\t{finding.what[:150]}")
    return 0


def main():
    """Try one mutant, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("number", type=int, nargs="?")
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    if arguments.number is not None:
        return _try_here(arguments.number, arguments.seconds)
    survivors = 0
    for number, mutant in enumerate(MUTANTS):
        done = subprocess.run(
            [sys.executable, "-m", "simulation.mutants", str(number), "--seconds", str(arguments.seconds)],
            cwd=_TESTS, env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": f"{_TESTS}:{_TESTS / 'support'}:{_TESTS.parent}"},
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        survivors += done.returncode != 0
        told = done.stdout.strip() or done.stderr.strip().splitlines()[-1:]
        print(f"{number}\t{mutant.name}\t{told}", flush=True)
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
