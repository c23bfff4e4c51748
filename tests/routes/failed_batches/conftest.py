"""A route whose AEP has failed batches."""

from __future__ import annotations

import pytest
from failed_batches_scene import HOUR, FailedBatchesScene, LetterTopics

from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.ingestion.dataset_rules import Limits
from bridge.testing.later_refusals import strict_schema


@pytest.fixture
async def scene(monkeypatch):
    """Batches are closed by hand."""
    async with Emulator(schema=strict_schema(), limits=Limits(batch_seconds=HOUR)) as emulator:
        yield FailedBatchesScene(emulator, LetterTopics(), monkeypatch)
