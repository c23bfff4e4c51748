"""What is on the stage: three brokers, the receiver, workers, an emulator of AEP, and a supervisor that restarts what ends.

The emulator runs in the test's own loop, so that an outage (nobody listens) does not make it forget what it accepted.
Everything else is a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import second_route
from allowance import Allowance, Glimpse
from clocks import Clock
from confluent_kafka import Consumer, KafkaException, TopicPartition
from counting import is_deliverable
from guarded_mapping import write_guarded
from names import HOST, Name
from offsets import Offsets, Progress
from tally import Digests, Ids

from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.ingestion.dataset_rules import Limits
from bridge.testing.kafka.admin import admin_client, create_topic
from bridge.testing.kafka.certificates import Certificates, make_certificates
from bridge.testing.kafka.offsets import committed_offsets
from bridge.testing.later_refusals import strict_schema
from bridge.testing.numbered_events import uuid_of
from bridge.testing.processes import BridgeProcess, eventually, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from second_route import SecondRoute

    from bridge.emulators.adobe.ingestion.dataset import Dataset
    from bridge.testing.kafka.cluster import Cluster

TOPIC, DEAD_LETTERS, STATE, GROUP = "chaos.events", "chaos.dead-letters", "chaos.state", "chaos"
PARTITIONS, DEAD_LETTER_PARTITIONS = 6, 2
SESSION_SECONDS = 6
HANG_SECONDS = 15
"""Longer than any fault stops a worker for: to a process that is stopped, that is time in which its loop did not turn."""
_AS_CREATED = {"message.timestamp.type": "LogAppendTime"}
"""As the bridge creates topics: with the time of the broker."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything; ``topic`` is more configuration of the event topic.

    ``aep_batch_seconds``: how often AEP makes a batch of what it has accepted, and workers look for failed ones.
    """

    workers: int = 2
    batch_events: int = 100
    concurrency: int = 4
    max_in_flight: int = 1_000
    aep_batch_seconds: float = 5.0
    topic: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Role:
    """One process that should run. ``wanted`` is what the supervisor looks at."""

    process: BridgeProcess
    clock: Clock
    wanted: bool = True
    doomed: bool = False
    starts: int = 0
    _written: int = 0

    def start(self) -> None:
        """Start it, for the first time or again."""
        log = self.process.log
        self._written = log.stat().st_size if log.exists() else 0
        self.process.start()
        self.clock.used_by(self.process.pid)
        self.starts += 1

    def written(self) -> str:
        """What it has written since it was started last."""
        with self.process.log.open("rb") as log:
            log.seek(self._written)
            return log.read().decode(errors="replace")


@dataclass(slots=True)
class Surprise:
    """A process that ended although nobody had ended it."""

    name: str
    code: int
    tail: str


@dataclass(slots=True)
class Stage:
    """Everything that can be broken. ``deliverable`` counts the events that are promised and that AEP should get,
    ``posted`` those in posts that are not answered yet. ``next_number``: the first that was never posted; ``given_up``: those that
    were never answered 200. ``deletions``:
    when (monotonic) a fault had Kafka delete records before the group had committed them, and the numbers of their events;
    ``deleted_topics``: such numbers of events that were deleted with the whole topic. ``topic_stays``: held by whoever deletes
    the topic, or needs it all the time. ``hanging``: events that were made to hold whoever maps them; ``hung``: ids of those that became dead letters for it.
    ``backtracking``: events with a text that a regular expression would take days for; ``unmapped``: ids of those that were refused.
    ``came_back``: ids of those that AEP refused after its 200 and that are dead letters now.
    """

    cluster: Cluster
    directory: Path
    deliverable: Callable[[], int]
    posted: Callable[[], int]
    scale: Scale = field(default_factory=Scale)
    second: SecondRoute | None = None
    emulator: Emulator = field(init=False)
    roles: dict[str, Role] = field(default_factory=dict)
    surprises: list[Surprise] = field(default_factory=list)
    allowance: Allowance = field(init=False)
    progress: Progress | None = None
    progress_at: float = 0.0
    longest_stall: float = 0.0
    set_aside: int = 0
    next_number: Callable[[], int] = lambda: 0
    given_up: Callable[[], Collection[int]] = tuple
    deletions: list[tuple[float, set[int]]] = field(default_factory=list)
    deleted_topics: list[set[int]] = field(default_factory=list)
    topic_stays: asyncio.Lock = field(default_factory=asyncio.Lock)
    hanging: set[int] = field(default_factory=set)
    hung: set[str] = field(default_factory=set)
    backtracking: set[int] = field(default_factory=set)
    unmapped: set[str] = field(default_factory=set)
    came_back: set[str] = field(default_factory=set)
    secret_file: Path = field(init=False)
    hanging_file: Path = field(init=False)
    mapping_file: Path = field(init=False)
    receiver_tls: Certificates = field(init=False)
    receiver_trust: ssl.SSLContext = field(init=False)
    name: Name = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _clocks: list[Clock] = field(default_factory=list)
    _asking: asyncio.Task[None] = field(init=False)
    _ending: bool = False
    _settings: dict[str, str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        """Create topics, start everything, and wait until it is ready."""
        await asyncio.to_thread(self.create_event_topic)
        for topic, partitions, config in (
            (DEAD_LETTERS, DEAD_LETTER_PARTITIONS, _AS_CREATED),
            (STATE, 1, {"cleanup.policy": "compact"}),
            *self._second_topics(),
        ):
            await asyncio.to_thread(self._create_topic, topic, partitions, config)
        limits = Limits(batch_seconds=self.scale.aep_batch_seconds)
        self.emulator = Emulator(port=free_port(), payloads=0, limits=limits, schema=strict_schema(), new_ids=Ids)
        self.emulator.state.fingerprints = Digests()
        await self.emulator.start()
        self.allowance = Allowance(self.emulator, self.outstanding, self.posted, self._capacity, self._worker_logs)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.secret_file = self.directory / "client-secret"
        self.secret_file.write_text(self.emulator.client_secret, encoding="utf-8")
        self.name = Name(self.directory)
        self.hanging_file = self.directory / "hanging"
        self.mapping_file = self.directory / "guarded.csv"
        self.receiver_tls = make_certificates(self.directory / "receiver-tls")
        self.receiver_trust = ssl.create_default_context(cafile=str(self.receiver_tls.ca))
        self._settings = self._environment()
        self.add("receiver", "receiver")
        for number in range(1, self.scale.workers + 1):
            self.add_worker(f"worker-{number}")
        if self.second is not None:
            self.add("second-worker", "worker", "--route", second_route.NAME)
        for role in self.roles.values():
            role.start()
        for role in self.roles.values():
            await asyncio.to_thread(role.process.wait_ready, 60.0)
        watching = (self._supervise(), self._watch_acceptances(), self.allowance.watch_assignments())
        self._tasks = [asyncio.create_task(each) for each in watching]
        self._asking = asyncio.create_task(self._watch_offsets())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        self._ending = True
        # Not cancelled: its thread must be done with the client before the client is closed.
        await asyncio.gather(*self._tasks, self._asking, return_exceptions=True)
        for role in self.roles.values():
            await asyncio.to_thread(role.process.stop, 0.0)
        # Of all that ever were: a worker that joined and left is no longer among the roles.
        for clock in self._clocks:
            clock.close()
        await self.emulator.stop()

    @property
    def expired(self) -> set[int]:
        """Numbers of all events that were deleted before the group had committed them; some may have been delivered."""
        return set[int]().union(*(numbers for _, numbers in self.deletions), *self.deleted_topics)

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings of its processes."""
        return self._settings

    @property
    def receiver_url(self) -> str:
        """Where MoEngage posts."""
        return f"https://127.0.0.1:{self.receiver_port}/moengage/streams"

    @property
    def receiver_port(self) -> int:
        """Where the receiver listens."""
        return int(self._settings["BRIDGE_RECEIVER__PORT"])

    def trust_receiver(self) -> None:
        """Whoever posts trusts the authority of the receiver's files as they are now, too."""
        self.receiver_trust.load_verify_locations(str(self.receiver_tls.ca))

    @property
    def workers(self) -> list[str]:
        """Names of the workers that run now, in order."""
        return [n for n, role in sorted(self.roles.items()) if n.startswith("worker") and role.wanted]

    def create_event_topic(self) -> None:
        """As it is at the beginning, and again after it was deleted."""
        self._create_topic(TOPIC, PARTITIONS, {**_AS_CREATED, **self.scale.topic})

    def _create_topic(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        nodes = len(self.cluster.brokers)
        create_topic(self.cluster.bootstrap, topic, partitions=partitions, replication=nodes, config=config)

    def committed_offsets(self) -> dict[int, int]:
        """By partition, where the group has committed."""
        reader = Consumer({"bootstrap.servers": self.cluster.bootstrap, "group.id": GROUP})
        try:
            found = committed_offsets(reader, [TopicPartition(TOPIC, number) for number in range(PARTITIONS)])
            return {each.partition: max(0, each.offset) for each in found}
        finally:
            reader.close()

    def _environment(self) -> dict[str, str]:
        files = self.cluster.certificates
        assert files is not None
        found = {
            "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": self.cluster.ssl_bootstrap,
            "BRIDGE_KAFKA__SECURITY_PROTOCOL": "SSL",
            "BRIDGE_KAFKA__SSL_CAFILE": str(files.ca),
            "BRIDGE_KAFKA__SSL_CERTFILE": str(files.client_certificate),
            "BRIDGE_KAFKA__SSL_KEYFILE": str(files.client_key),
            "BRIDGE_KAFKA__STATE_TOPIC": STATE,
            "BRIDGE_KAFKA__TOPIC": TOPIC,
            "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": DEAD_LETTERS,
            "BRIDGE_KAFKA__GROUP": GROUP,
            "BRIDGE_KAFKA__REQUEST_TIMEOUT_SECONDS": "5",
            "BRIDGE_KAFKA__SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
            "BRIDGE_KAFKA__COMMIT_INTERVAL_SECONDS": "0.5",
            "BRIDGE_AEP__LINGER_SECONDS": "0.2",
            "BRIDGE_AEP__BATCH_EVENTS": str(self.scale.batch_events),
            "BRIDGE_AEP__CONCURRENCY": str(self.scale.concurrency),
            "BRIDGE_AEP__TIMEOUT_SECONDS": "3",
            "BRIDGE_AEP__FAILED_BATCHES_SECONDS": str(self.scale.aep_batch_seconds),
            "BRIDGE_WORKER__MAX_IN_FLIGHT_EVENTS": str(self.scale.max_in_flight),
            "BRIDGE_WORKER__DRAIN_SECONDS": "6",
            "BRIDGE_WORKER__STALL_SECONDS": "60",
            "BRIDGE_WORKER__HANG_SECONDS": str(HANG_SECONDS),
            "BRIDGE_RECEIVER__HOST": "127.0.0.1",
            "BRIDGE_RECEIVER__PORT": str(free_port()),
            "BRIDGE_RECEIVER__AUTH": "basic",
            "BRIDGE_RECEIVER__USERNAME": "moengage",
            "BRIDGE_RECEIVER__PASSWORD": "a-password",
            "BRIDGE_RECEIVER__CONFIRM_TIMEOUT_SECONDS": "5",
            "BRIDGE_RECEIVER__TLS_CERTFILE": str(self.receiver_tls.broker_bundle),
            "BRIDGE_TELEMETRY__LOG_FORMAT": "json",
            **{key: value.replace("127.0.0.1", HOST) for key, value in self.emulator.environment().items()},
            "BRIDGE_OAUTH__CLIENT_SECRET_FILE": str(self.secret_file),
            **self.name.environment(),
            "CHAOS_HANGING": str(self.hanging_file),
            **write_guarded(self.mapping_file),
        }
        del found["BRIDGE_OAUTH__CLIENT_SECRET"]
        return found | ({} if self.second is None else self.second.environment())

    # Processes.

    def add_worker(self, name: str) -> Role:
        """One more worker of the route that is broken."""
        return self.add(name, "worker", *(() if self.second is None else ("--route", "default")))

    def _second_topics(self) -> list[tuple[str, int, dict[str, str]]]:
        if self.second is None:
            return []
        return [(second_route.TOPIC, second_route.PARTITIONS, _AS_CREATED), (second_route.DEAD_LETTERS, 1, _AS_CREATED)]

    def add(self, name: str, *command: str) -> Role:
        """A process that should run from now on; the supervisor starts it."""
        clock = Clock(self.directory / f"{name}.clock")
        self._clocks.append(clock)
        made = BridgeProcess(command, self._settings | clock.environment(), directory=self.directory, name=name)
        role = self.roles[name] = Role(made, clock, doomed=True)
        return role

    async def kill9(self, name: str) -> None:
        """SIGKILL; the supervisor starts it again."""
        role = self.roles[name]
        role.doomed = True
        if role.process.alive:
            await asyncio.to_thread(role.process.kill9)

    async def terminate(self, name: str, within: float = 30.0) -> None:
        """SIGTERM, and wait for the end; the supervisor starts it again if it is still wanted."""
        role = self.roles[name]
        role.doomed = True
        if role.process.alive:
            role.process.terminate()
            await asyncio.to_thread(role.process.wait, within)

    async def _supervise(self) -> None:
        """Start again what has ended, as any supervisor would; what nobody had ended is written down."""
        while True:
            for name, role in list(self.roles.items()):
                if role.process.alive or not role.wanted:
                    continue
                if not role.doomed:
                    code = await asyncio.to_thread(role.process.wait, 5.0)
                    if code != 1 or not self._explained(role.written()):
                        self.surprises.append(Surprise(name, code, role.process.tail(30)))
                role.doomed = False
                role.start()
            await asyncio.sleep(0.2)

    def _explained(self, written: str) -> bool:
        """Whether a fault had it end: its dead-man's switch has written where an event holds it, or it found no topic at its start."""
        hung = bool(self.hanging) and "in hanging_build" in written and "Timeout (0:00:" in written
        return hung or (bool(self.deleted_topics) and f"no such topic: {TOPIC}" in written)

    async def brokers_recovered(self, why: str, within: float = 60.0) -> None:
        """Wait until every partition has all its replicas in sync again; the next broker may break then."""
        admin = admin_client(self.cluster.bootstrap)

        def whole() -> bool:
            with contextlib.suppress(KafkaException):
                told = admin.list_topics(timeout=2)
                partitions = [each for topic in told.topics.values() for each in topic.partitions.values()]
                return len(told.brokers) == len(self.cluster.brokers) and all(
                    len(each.isrs) == len(each.replicas) for each in partitions
                )
            return False

        await asyncio.to_thread(eventually, whole, within=within, what=f"all replicas in sync after {why}", every=0.3)

    # What comes of it.

    def outstanding(self) -> int:
        """Events that were promised, and that neither AEP nor the dead letters have."""
        state = self.emulator.state
        gone = sum(is_deliverable(number) and uuid_of(number) not in state.fingerprints for number in self.expired)
        return max(0, self.deliverable() - len(state.fingerprints) - self.set_aside - gone)

    @property
    def dataset(self) -> Dataset:
        """What AEP has for good."""
        found = self.emulator.ingestion.find(self.emulator.dataset_id)
        assert found is not None
        return found

    def _capacity(self) -> int:
        return max(1, len(self.workers)) * self.scale.concurrency * self.scale.batch_events

    def _worker_logs(self) -> list[Path]:
        return [role.process.log for name, role in self.roles.items() if name.startswith("worker")]

    async def _watch_offsets(self) -> None:
        letters = (DEAD_LETTERS, DEAD_LETTER_PARTITIONS)
        with Offsets(self.cluster.bootstrap, GROUP, events=(TOPIC, PARTITIONS), dead_letters=letters) as offsets:
            while not self._ending:
                asked, outstanding, events = time.monotonic(), self.outstanding(), self.emulator.state.events
                progress = await asyncio.to_thread(offsets.ask)
                self.hung, self.unmapped, self.came_back = offsets.hung, offsets.unmapped, offsets.came_back
                refused = offsets.refused | offsets.hung
                self.set_aside = sum(each not in self.emulator.state.fingerprints for each in refused)
                # Without an answer the last one stands: what was accepted since then counts as uncommitted.
                if progress is not None:
                    self.progress, self.progress_at = progress, asked
                    self.allowance.glimpse = Glimpse(max(0, progress.lag - outstanding), events)
                self.allowance.sample()
                await asyncio.sleep(0.5)

    async def _watch_acceptances(self) -> None:
        seen, since = -1, time.monotonic()
        while True:
            now, unique = time.monotonic(), len(self.emulator.state.fingerprints)
            if unique != seen:
                self.longest_stall = max(self.longest_stall, now - since)
                seen, since = unique, now
            await asyncio.sleep(0.1)
