"""What tests share: their options, and what one leaves to the next."""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from absent_modules import look_once
from authorities import trust_one
from examples import register_profiles

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["bridge.testing.fixtures"]

_ALLOWED_SKIPS = "only "
"""How a reason begins for which a test may be left out in CI too: it is another platform's, or was not asked for."""

_YOUNG_OBJECTS = 10_000
"""So many new objects, and the collector looks for rings among them: tests make many that live for a moment."""

register_profiles()
trust_one()
look_once()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of tests/chaos; pytest reads them only here, above every test folder."""
    chaos = parser.getgroup("chaos", "the chaos run (tests/chaos)")
    chaos.addoption(
        "--chaos-seconds", type=float, default=None, help="How long things are broken (default: a short run)."
    )
    chaos.addoption("--chaos-seed", type=int, default=None, help="Repeat the schedule of this seed.")
    chaos.addoption("--chaos-only", default="", help="Only these kinds of fault, comma-separated.")
    chaos.addoption("--chaos-rate", type=float, default=200.0, help="Events posted a second.")
    chaos.addoption("--chaos-report", default=".make/chaos.json", help="Where the JSON report goes.")
    backfill = parser.getgroup(
        "backfill", "exports from object storage (tests/system/test_object_backfill_whole_way.py)"
    )
    backfill.addoption("--backfill-events", type=int, default=5_000, help="Events of the exports.")
    sync = parser.getgroup("sync", "rows of PostgreSQL (tests/system/test_sync_postgresql.py)")
    sync.addoption("--sync-rows", type=int, default=3_000, help="Rows of each table.")
    sync.addoption(
        "--sync-memory-rows",
        type=int,
        default=3_000,
        help="Rows of the smaller table, memory of ten times as many beside.",
    )
    real = parser.getgroup("real", "real schemas and examples (tests/contract/test_real_material.py)")
    real.addoption("--real", default=None, metavar="DIR", help="Folder of schemas and examples that a person has.")
    soak = parser.getgroup("soak", "the soak (tests/chaos/test_soak.py)")
    soak.addoption("--soak-seconds", type=float, default=None, help="How long it runs (default: it does not).")
    soak.addoption("--soak-seed", type=int, default=None, help="Repeat the schedule of this seed.")
    soak.addoption("--soak-rate", type=float, default=2_000.0, help="Events posted a second.")
    soak.addoption("--soak-every", type=float, default=60.0, help="Seconds from one fault to the next.")
    soak.addoption("--soak-report", default=".make/soak.json", help="Where the JSON report goes.")


def pytest_collection_finish() -> None:
    """What was imported and collected lives as long as the run: the collector of garbage need not walk it again and again.

    It took a tenth of the processor time of the tests that compute.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 10, 10)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """In CI nothing is left out for want of a program: a green run means that everything ran."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and isinstance(report.longrepr, tuple) and in_ci():
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(_ALLOWED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"CI must run {item.nodeid}, and it cannot: {reason}"


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An S3 server on loopback, for the session."""
    from pinned_environment import EnvironmentUnavailable, installed

    from bridge.testing.s3_server import S3Server

    root = Path(__file__).resolve().parents[1]
    try:
        python = installed(root / ".make" / "moto", root / "tests" / "support" / "moto-requirements.txt")
        with S3Server(python, tmp_path_factory.mktemp("s3") / "log") as server:
            yield server
    except EnvironmentUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(autouse=True)
def _no_route_named() -> Iterator[None]:
    """A command's ``--route`` is not that of the next test's in this process."""
    yield
    if (option := sys.modules.get("bridge.cli.route_option")) is not None:
        option._wanted.set(None)


@pytest.fixture(autouse=True)
def _logging_put_back() -> Iterator[None]:
    """A test that configures logging, as every command does, leaves it to the next as it found it."""
    ours = structlog.get_config()
    root = logging.getLogger()
    disabled = root.manager.disable
    known = [root, *(each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger))]
    before = [(each, each.level, each.propagate, each.handlers[:]) for each in known]
    yield
    for each, level, propagate, handlers in before:
        if each.level != level:
            each.setLevel(level)
        each.propagate = propagate
        each.handlers[:] = handlers
    logging.disable(disabled)
    logging.captureWarnings(capture=False)
    structlog.configure(**ours)


def in_ci() -> bool:
    """Whether nobody watches: what cannot run fails."""
    return os.environ.get("CI", "").lower() in {"1", "true"}
