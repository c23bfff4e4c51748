"""An emulated organisation of Adobe's to set up."""

from __future__ import annotations

import pytest
from setting_up import TENANT, write_credentials

from bridge.emulators.adobe import Emulator


@pytest.fixture
async def adobe(tmp_path, monkeypatch):
    """An empty emulated organisation, and a folder with its credentials."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(tenant=TENANT, sandboxes=("prod", "dev")) as emulator:
        write_credentials(tmp_path, emulator)
        yield emulator
