"""An emulator that gives tokens, and the clock on which they expire."""

from __future__ import annotations

import pytest
from token_scene import TokenClock

from bridge.emulators.adobe import Emulator


@pytest.fixture
async def emulator():
    """An emulator for one test."""
    async with Emulator() as running:
        yield running


@pytest.fixture
def clock():
    """The test's clock."""
    return TokenClock()
