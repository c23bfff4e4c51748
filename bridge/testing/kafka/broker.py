"""One node of a real Apache Kafka as a process that a test starts, kills, pauses and starts again on the same data.

Broker and controller in one small JVM (KRaft mode). It listens without security; with ``secure=True`` also with SASL
(PLAIN and SCRAM), with TLS (mutual, when the client has a certificate) and with both.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from confluent_kafka import KafkaException

from bridge.testing.kafka.admin import admin_client
from bridge.testing.kafka.certificates import Certificates, make_certificates
from bridge.testing.kafka.formatted_disk import format_disk
from bridge.testing.kafka.jars import LOGGING, SHORT_LIVED, cache_folder, jars, java, locked_cache
from bridge.testing.kafka.node_properties import PASSWORD, USERNAME, Node, new_id, properties_of
from bridge.testing.processes import Child, end, start_tied, stop_running

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_JVM = (
    "-Xmx512m",
    "-Xms128m",
    *SHORT_LIVED,
    "-Djava.awt.headless=true",
)


@functools.cache
def archived_classes() -> tuple[str, ...]:
    """Options of the JVM with which a node starts from an archive of its classes, made once: half the processor time of a start."""
    runs = subprocess.run([java(), "-version"], capture_output=True, check=False).stderr
    archive = cache_folder() / f"{jars().name}-{hashlib.sha256(runs).hexdigest()[:8]}.jsa"
    if not archive.exists():
        with locked_cache():
            if not archive.exists():
                _archive_classes(archive)
    # A JVM that cannot make one has left it empty.
    return (f"-XX:SharedArchiveFile={archive}", "-Xshare:auto") if archive.stat().st_size else ()


def _archive_classes(archive: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "classes.jsa"
        options = ("-XX:+IgnoreUnrecognizedVMOptions", f"-XX:ArchiveClassesAtExit={made}")
        node = Broker(Path(folder) / "node", secure=True, class_archive=())
        node._options = (*node._options, *options)  # noqa: SLF001 - its own: formatting it must not make an archive too
        node.start(within=120)
        node.stop(grace=120)
        made.touch()
        shutil.copyfile(made, partial := archive.with_suffix(".partial"))
        partial.rename(archive)


class Broker:
    """One Kafka node: broker and controller in one JVM; data under ``directory``."""

    def __init__(
        self,
        directory: Path,
        *,
        secure: bool = False,
        certificates: Certificates | None = None,
        node: Node | None = None,
        cluster: Sequence[Node] | None = None,
        cluster_id: str | None = None,
        properties: Mapping[str, str] | None = None,
        only_given: bool = False,
        class_archive: Sequence[str] | None = None,
    ) -> None:
        """``properties`` are added to those of the harness, or with ``only_given`` stand alone (listeners included).

        ``certificates``: those of a whole cluster; with ``secure`` alone the node gets some of its own.
        ``class_archive``: options of the JVM in place of those that let it start from the archive of its classes.
        """
        self._java = java()
        self._options = (*_JVM, *(archived_classes() if class_archive is None else class_archive), *LOGGING)
        self._classpath = f"{jars()}/*"
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.node = node or Node.new(1)
        self.cluster = tuple(cluster or (self.node,))
        self.log = directory / "broker.log"
        if secure and certificates is None:
            certificates = make_certificates(directory / "tls")
        self.certificates = certificates
        self._properties = directory / "server.properties"
        given = dict(properties or {})
        own = properties_of(self.node, self.cluster, directory / "data", self.certificates)
        settings = given if only_given else own | given
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
        advertised = re.search(r"PLAINTEXT://([\w.]+:\d+)", settings["advertised.listeners"])
        assert advertised is not None
        self.bootstrap = advertised[1]
        """Address without security."""
        self._child: Child | None = None
        cluster_id = cluster_id or new_id()
        if only_given or class_archive is not None:
            self._format_by_tool(self._properties, cluster_id)
        else:
            format_disk(
                directory / "data",
                node=self.node.id,
                cluster_id=cluster_id,
                secure=self.certificates is not None,
                by_tool=self._format_elsewhere,
            )

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

    def start(self, *, wait: bool = True, within: float = 120.0) -> Self:
        """Start on the data that is there; with ``wait`` until it answers metadata requests."""
        assert not self.alive, "the broker runs already"
        self._child = start_tied(
            [self._java, *self._options, "-cp", self._classpath, "kafka.Kafka", str(self._properties)],
            log=self.log,
        )
        if wait:
            self.wait_ready(within)
        return self

    def wait_ready(self, within: float = 120.0, brokers: int = 1) -> None:
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

    def restart(self, *, kill: bool = False, within: float = 120.0) -> None:
        """Stop (or ``kill``) and start on the same data and ports."""
        if kill:
            self.kill9()
        else:
            self.stop()
        self.start(within=within)

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        assert self._child is not None
        stop_running(self._child)

    def resume(self) -> None:
        """SIGCONT."""
        assert self._child is not None
        self._child.send_signal(signal.SIGCONT)

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:]) if self.log.exists() else ""

    def _format_elsewhere(self, data: Path) -> None:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".properties") as properties:
            # Of several lines for a key the last one holds.
            properties.write(f"{self._properties.read_text(encoding='utf-8')}log.dirs={data}\n")
            properties.flush()
            self._format_by_tool(Path(properties.name), new_id())

    def _format_by_tool(self, properties: Path, cluster_id: str) -> None:
        command = [self._java, *self._options, "-cp", self._classpath, "kafka.tools.StorageTool", "format"]
        command += [f"--cluster-id={cluster_id}", "-c", str(properties)]  # an id may begin with a dash
        if self.certificates is not None:
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                command += ["--add-scram", f"{mechanism}=[name={USERNAME},password={PASSWORD}]"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop(grace=5)
