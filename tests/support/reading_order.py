"""Processes that read the same tests at the same time begin at different ones: a plugin of pytest for the processes of pytest-xdist.

In a fresh checkout each of them compiled every file, side by side, which took more processor time than all else before the first
test. So each finds most files compiled by the others. The order in which tests run is that of pytest, and the same in all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_PLACE: Final = pytest.StashKey[int]()
"""Of a folder or file among those of its folder, whichever is read first."""


def rotated(
    nodes: Sequence[pytest.Item | pytest.Collector], worker: int, workers: int
) -> list[pytest.Item | pytest.Collector]:
    """All of them, from the one on that is the worker's (numbered from 0), and from the first on after the last."""
    first = len(nodes) * worker // workers
    return [*nodes[first:], *nodes[:first]]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Read what is in a folder from another place on."""
    report = yield
    if isinstance(collector, pytest.Directory) and "PYTEST_XDIST_WORKER" in os.environ:
        for place, node in enumerate(report.result):
            node.stash[_PLACE] = place
        worker = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        report.result = rotated(report.result, worker, int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """As if every folder had been read from its beginning."""
    items.sort(key=lambda item: [node.stash[_PLACE] for node in item.listchain() if _PLACE in node.stash])
