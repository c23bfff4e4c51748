"""The time that ``now`` and ``timestamp`` read: one replaceable source, so that tests and previews can stop it."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _system() -> datetime:
    return datetime.now(UTC)


_source: list[Callable[[], datetime]] = [_system]


def now() -> datetime:
    """This instant, aware, in UTC."""
    return _source[-1]()


@contextmanager
def reading(source: Callable[[], datetime]) -> Iterator[None]:
    """Within the block every function of the process reads its time from ``source`` (not per thread, not per task)."""
    _source.append(source)
    try:
        yield
    finally:
        _source.pop()


@contextmanager
def stopped(at: datetime) -> Iterator[None]:
    """Within the block the time is ``at``."""
    with reading(lambda: at):
        yield
