"""Modules that others look for at every step and never find here."""

from __future__ import annotations

import sys
from importlib.util import find_spec

_LOOKED_FOR = ("sniffio",)
"""By httpcore, for each lock and each request of a client: a search of the whole path takes 0.2 ms of processor time."""


def look_once() -> None:
    """Where a module is not installed, say so at once from now on."""
    for name in _LOOKED_FOR:
        if name not in sys.modules and find_spec(name) is None:
            sys.modules[name] = None  # type: ignore[assignment]
