"""What runs Apache Kafka without containers: a Java that will do, and the jars from Maven Central, fetched once.

Also the commands that Kafka's own scripts stand for.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
LOGGING = (f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}",)
SHORT_LIVED = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
"""Options of a JVM that lives for seconds: what would pay after minutes is left out."""
_TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-broker-api-versions.sh": "org.apache.kafka.tools.BrokerApiVersionsCommand",
}


class BrokerUnavailableError(Exception):
    """Why no broker can be had here, in a sentence."""


@functools.cache
def java() -> str:
    """The Java to run Kafka with: 17 or newer."""
    found = shutil.which("java")
    if found is None:
        raise BrokerUnavailableError("there is no java: the real Kafka broker needs Java 17 or newer")
    told = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < 17:
        raise BrokerUnavailableError(
            f"Java 17 or newer is needed for the real Kafka broker; this is {told.splitlines()[:1]}"
        )
    return found


def cache_folder() -> Path:
    """Where what is fetched or made once is kept for this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moengage-aep-bridge"


@contextlib.contextmanager
def locked_cache() -> Iterator[None]:
    """Nobody else adds to the cache meanwhile."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def jars() -> Path:
    """The folder with Kafka and what it needs, fetched once per user and per version of the pom.

    Raises ``BrokerUnavailableError`` where Java or Maven is missing or Maven cannot fetch.
    """
    java()
    pom = HERE / "pom.xml"
    cache = cache_folder()
    folder = cache / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerUnavailableError("there is no mvn: Maven fetches the real Kafka broker from Maven Central")
    with locked_cache():
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


def tool(script: str, *arguments: str) -> list[str]:
    """The command that one of Kafka's scripts stands for, with or without its folder."""
    return [java(), *SHORT_LIVED, "-cp", f"{jars()}/*", *LOGGING, _TOOLS[Path(script).name], *arguments]
