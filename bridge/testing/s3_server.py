"""An S3 server of loopback (moto), in a process and an environment of its own: what it needs does not go with our versions."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Self

import obstore
from obstore.store import from_url

from bridge.testing.processes import free_port

if TYPE_CHECKING:
    from pathlib import Path

_PACE_SECONDS = 0.1
_UP_SECONDS = 60.0


class S3Server:
    """A running server; ``environment`` are the variables with which its clients reach it."""

    def __init__(self, python: Path, log: Path) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
        self._log = log
        self._command = [str(python), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)]

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        end = time.monotonic() + _UP_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5):
                    return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    self.__exit__()
                    raise AssertionError(f"the S3 server did not start: {self._log.read_text()[-300:]}") from None
                time.sleep(_PACE_SECONDS)

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def bucket(self, name: str) -> Any:
        """Make a bucket; gives obstore's store of it, in which tests put objects."""
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/{name}", method="PUT"), timeout=10):
            pass
        return from_url(
            f"s3://{name}",
            endpoint=self.url,
            access_key_id="test",
            secret_access_key="test",
            region="us-east-1",
            client_options={"allow_http": True},
        )

    def requests(self) -> int:
        """How many requests it has answered."""
        return self._log.read_text(encoding="utf-8").count("HTTP/1.1")


def put(store: Any, path: str, content: bytes) -> None:
    """Write an object."""
    obstore.put(store, path, content)
