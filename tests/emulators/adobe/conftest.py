"""An emulator and a client of its platform APIs."""

from __future__ import annotations

import httpx
import pytest
from ingesting_stream import Stream
from platform_client import PlatformClient

from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.ingestion.dataset_rules import Limits
from bridge.emulators.adobe.platform.sandbox import Times


@pytest.fixture
async def adobe():
    """An emulator of two sandboxes for one test."""
    async with Emulator(sandboxes=("prod", "dev")) as running:
        yield running


@pytest.fixture
async def platform(adobe):
    """A client with a token in the sandbox prod."""
    async with httpx.AsyncClient(timeout=5) as http:
        yield await PlatformClient(adobe, http).sign_in()


@pytest.fixture
async def stream():
    """A stream into a dataset whose schema was made through the registry; batches are closed by hand."""
    limits = Limits(batch_seconds=3600)
    async with Emulator(times=Times(warm_up=0), limits=limits) as emulator, httpx.AsyncClient(timeout=5) as http:
        yield await Stream(await PlatformClient(emulator, http).sign_in()).set_up()
