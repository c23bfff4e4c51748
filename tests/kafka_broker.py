"""A real Apache Kafka for tests, without containers: from Maven Central, KRaft mode, one small JVM a broker.

``Broker`` is one node (broker and controller in one), ``Cluster`` three of them. Every node listens without security;
with ``secure=True`` also with SASL (PLAIN and SCRAM), with TLS (mutual, when the client has a certificate) and with both.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from kafka_certificates import Certificates, make_certificates
from processes import end, free_port, start_tied

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HERE = Path(__file__).resolve().parent / "kafka"
USERNAME = "bridge"
PASSWORD = "a-secret-for-tests"
_JVM = (
    "-Xmx512m",
    "-Xms128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
)


_LOGGING = (f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}",)


class BrokerUnavailableError(Exception):
    """Why no broker can be had here, in a sentence."""


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise BrokerUnavailableError("there is no java: the real Kafka broker needs Java 17 or newer")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < 17:
        raise BrokerUnavailableError(
            f"Java 17 or newer is needed for the real Kafka broker; this is {told.splitlines()[:1]}"
        )
    return java


def jars() -> Path:
    """The folder with Kafka and what it needs, fetched once per user and per version of the pom.

    Raises ``BrokerUnavailableError`` where Java or Maven is missing or Maven cannot fetch.
    """
    _java()
    pom = HERE / "pom.xml"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moengage-aep-bridge"
    folder = cache / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerUnavailableError("there is no mvn: Maven fetches the real Kafka broker from Maven Central")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder
        partial = Path(tempfile.mkdtemp(dir=cache))
        try:
            done = subprocess.run(
                [
                    maven,
                    "-q",
                    "-B",
                    "-f",
                    str(pom),
                    "dependency:copy-dependencies",
                    f"-DoutputDirectory={partial}",
                    "-DincludeScope=runtime",
                ],
                capture_output=True,
                text=True,
                check=False,
                timeout=600,
            )
            if done.returncode != 0:
                raise BrokerUnavailableError(f"Maven could not fetch Kafka: {(done.stdout + done.stderr)[-800:]}")
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


@dataclass(frozen=True, slots=True)
class Node:
    """Who a node is in its cluster: stays the same over restarts."""

    id: int
    plain: int
    controller: int
    sasl: int
    ssl: int
    sasl_ssl: int

    @classmethod
    def new(cls, number: int) -> Self:
        """A node with free ports."""
        return cls(number, *(free_port() for _ in range(5)))


class Broker:
    """One Kafka node: broker and controller in one JVM; data under ``directory``."""

    def __init__(
        self,
        directory: Path,
        *,
        secure: bool = False,
        node: Node | None = None,
        cluster: Sequence[Node] | None = None,
        cluster_id: str | None = None,
        properties: Mapping[str, str] | None = None,
        only_given: bool = False,
    ) -> None:
        """``properties`` are added to those of the harness, or with ``only_given`` stand alone (listeners included)."""
        self._java = _java()
        self._classpath = f"{jars()}/*"
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.node = node or Node.new(1)
        self.cluster = tuple(cluster or (self.node,))
        self.log = directory / "broker.log"
        self.certificates: Certificates | None = make_certificates(directory / "tls") if secure else None
        self._properties = directory / "server.properties"
        settings = dict(properties or {}) if only_given else self._settings() | dict(properties or {})
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
        advertised = re.search(r"PLAINTEXT://([\w.]+:\d+)", settings["advertised.listeners"])
        assert advertised is not None
        self.bootstrap = advertised[1]
        """Address without security."""
        self._child: subprocess.Popen[bytes] | None = None
        self._format(cluster_id or base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))

    @property
    def sasl_bootstrap(self) -> str:
        """Address for SASL_PLAINTEXT: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512, user USERNAME, password PASSWORD."""
        return f"127.0.0.1:{self.node.sasl}"

    @property
    def ssl_bootstrap(self) -> str:
        """Address for SSL, which requires a client certificate."""
        return f"127.0.0.1:{self.node.ssl}"

    @property
    def sasl_ssl_bootstrap(self) -> str:
        """Address for SASL_SSL."""
        return f"127.0.0.1:{self.node.sasl_ssl}"

    @property
    def alive(self) -> bool:
        """Whether the JVM runs."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the running JVM."""
        assert self._child is not None
        return self._child.pid

    def start(self, *, wait: bool = True, within: float = 60.0) -> Self:
        """Start on the data that is there; with ``wait`` until it answers metadata requests."""
        assert not self.alive, "the broker runs already"
        self._child = start_tied(
            [self._java, *_JVM, *_LOGGING, "-cp", self._classpath, "kafka.Kafka", str(self._properties)],
            log=self.log,
        )
        if wait:
            self.wait_ready(within)
        return self

    def wait_ready(self, within: float = 60.0, brokers: int = 1) -> None:
        """Wait until the node answers and knows at least ``brokers`` brokers."""
        deadline = time.monotonic() + within
        admin = admin_client(self.bootstrap)
        while True:
            if not self.alive:
                raise AssertionError(f"the broker ended:\n{self._tail()}")
            with contextlib.suppress(KafkaException):
                if len(admin.list_topics(timeout=1).brokers) >= brokers:
                    return
            if time.monotonic() > deadline:
                raise AssertionError(f"the broker is not ready after {within:g} s:\n{self._tail()}")

    def stop(self, grace: float = 20.0) -> None:
        """Controlled shutdown (SIGTERM), SIGKILL after ``grace`` seconds."""
        if self._child is not None:
            end(self._child, grace=grace)

    def kill9(self) -> None:
        """SIGKILL: what is not on disk is gone with the process (the page cache is not)."""
        if self._child is not None:
            end(self._child)

    def restart(self, *, kill: bool = False, within: float = 60.0) -> None:
        """Stop (or ``kill``) and start on the same data and ports."""
        if kill:
            self.kill9()
        else:
            self.stop()
        self.start(within=within)

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        assert self._child is not None
        self._child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self._child is not None
        self._child.send_signal(signal.SIGCONT)

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:]) if self.log.exists() else ""

    def _format(self, cluster_id: str) -> None:
        command = [self._java, *_JVM, *_LOGGING, "-cp", self._classpath, "kafka.tools.StorageTool", "format"]
        command += [f"--cluster-id={cluster_id}", "-c", str(self._properties)]  # an id may begin with a dash
        if self.certificates is not None:
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                command += ["--add-scram", f"{mechanism}=[name={USERNAME},password={PASSWORD}]"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def _settings(self) -> dict[str, str]:
        own, copies = self.node, len(self.cluster)
        listeners = {"PLAINTEXT": own.plain, "CONTROLLER": own.controller}
        protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        secured: dict[str, str] = {}
        if self.certificates is not None:
            listeners |= {"SASL": own.sasl, "SSL": own.ssl, "SASLSSL": own.sasl_ssl}
            protocols |= {"SASL": "SASL_PLAINTEXT", "SSL": "SSL", "SASLSSL": "SASL_SSL"}
            secured = _secured(self.certificates)
        urls = [f"{name}://127.0.0.1:{port}" for name, port in listeners.items()]
        return secured | {
            "process.roles": "broker,controller",
            "node.id": str(own.id),
            "controller.quorum.voters": ",".join(f"{node.id}@127.0.0.1:{node.controller}" for node in self.cluster),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": ",".join(urls),
            "advertised.listeners": ",".join(url for url in urls if not url.startswith("CONTROLLER")),
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in protocols.items()),
            "log.dirs": str(self.directory / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": str(copies),
            "min.insync.replicas": str(max(1, copies - 1)),
            "offsets.topic.replication.factor": str(copies),
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": str(max(1, copies - 1)),
            "transaction.state.log.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": str(copies),
            "share.coordinator.state.topic.min.isr": "1",
            # Groups form and break up many times in a test run: no waiting for more members, quick failure detection.
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "controller.quorum.election.timeout.ms": "500",
            "controller.quorum.fetch.timeout.ms": "1500",
            "controlled.shutdown.enable": "true",
            "log.segment.bytes": "268435456",
            "log.cleaner.enable": "false",
            "num.network.threads": "2",
            "num.io.threads": "4",
            "background.threads": "2",
            "num.recovery.threads.per.data.dir": "2",
        }

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop(grace=5)


def _secured(certificates: Certificates) -> dict[str, str]:
    plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USERNAME}="{PASSWORD}";'
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    settings: dict[str, str] = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.broker_bundle),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca),
        "listener.name.ssl.ssl.client.auth": "required",
        "listener.name.saslssl.ssl.client.auth": "none",
    }
    for listener in ("sasl", "saslssl"):
        settings |= {
            f"listener.name.{listener}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            f"listener.name.{listener}.plain.sasl.jaas.config": plain,
            f"listener.name.{listener}.scram-sha-256.sasl.jaas.config": scram,
            f"listener.name.{listener}.scram-sha-512.sasl.jaas.config": scram,
        }
    return settings


class Cluster:
    """Three nodes: topics get three replicas, and a write needs two of them."""

    def __init__(self, directory: Path, *, size: int = 3, properties: Mapping[str, str] | None = None) -> None:
        nodes = [Node.new(number) for number in range(1, size + 1)]
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self.brokers = [
            Broker(
                directory / f"node-{node.id}", node=node, cluster=nodes, cluster_id=cluster_id, properties=properties
            )
            for node in nodes
        ]

    @property
    def bootstrap(self) -> str:
        """Addresses of every node."""
        return ",".join(broker.bootstrap for broker in self.brokers)

    def start(self, within: float = 90.0) -> Self:
        """Start every node, and wait until each knows all."""
        for broker in self.brokers:
            broker.start(wait=False)
        for broker in self.brokers:
            broker.wait_ready(within, brokers=len(self.brokers))
        return self

    def stop(self) -> None:
        """End every node; nobody waits for replicas to move."""
        for broker in self.brokers:
            broker.stop(grace=3)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


_TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-broker-api-versions.sh": "org.apache.kafka.tools.BrokerApiVersionsCommand",
}


def tool(script: str, *arguments: str) -> list[str]:
    """The command that one of Kafka's scripts stands for, with or without its folder."""
    return [_java(), "-cp", f"{jars()}/*", *_LOGGING, _TOOLS[Path(script).name], *arguments]


def admin_client(bootstrap: str) -> AdminClient:
    """An admin client that keeps what it thinks of broken connections to itself."""
    quiet: Callable[[object], None] = lambda _error: None  # noqa: E731
    return AdminClient({"bootstrap.servers": bootstrap, "error_cb": quiet, "log_level": 0, "socket.timeout.ms": 10_000})


def create_topic(
    bootstrap: str, name: str, *, partitions: int = 6, replication: int = 1, config: Mapping[str, str] | None = None
) -> str:
    """Create a topic, wait until the cluster knows its partitions' leaders, and give its name."""
    admin = admin_client(bootstrap)
    wanted = NewTopic(name, partitions, replication, config=dict(config or {}))
    admin.create_topics([wanted], operation_timeout=20)[name].result(30)
    deadline = time.monotonic() + 20
    while True:
        known = admin.list_topics(name, timeout=10).topics[name].partitions
        if len(known) == partitions and all(partition.leader >= 0 for partition in known.values()):
            return name
        if time.monotonic() > deadline:
            raise AssertionError(f"{name} has no leaders: {known}")
