"""A host name that can stop resolving, for children of a test alone."""

from __future__ import annotations

import os
from pathlib import Path

from checkout import ROOT

HOST = "aep.chaos.test"


class Name:
    """``HOST``, known to processes that run with :meth:`environment` while it is :meth:`known`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "hosts"
        self.known()

    def known(self) -> None:
        """It resolves to 127.0.0.1."""
        self._file.touch()

    def unknown(self) -> None:
        """Name or service not known. What clients keep in their caches (aiohttp's: 10 s) stays good for them."""
        self._file.unlink(missing_ok=True)

    def environment(self) -> dict[str, str]:
        """What a child needs; the name is never asked of a proxy. (``resolver`` holds other things from outside, too.)"""
        hook = Path(__file__).resolve().parent / "resolver"
        path = os.pathsep.join(filter(None, [str(hook), str(ROOT), os.environ.get("PYTHONPATH")]))
        return {
            "PYTHONPATH": path,
            "CHAOS_HOST": HOST,
            "CHAOS_HOSTS": str(self._file),
            "NO_PROXY": HOST,
            "no_proxy": HOST,
        }
