"""An emulator and a client of its platform APIs."""

from __future__ import annotations

import httpx
import pytest
from platform_client import PlatformClient

from bridge.emulators.adobe import Emulator


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
