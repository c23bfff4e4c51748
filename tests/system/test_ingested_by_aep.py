"""What the emulated AEP has made of events, counted from its own Catalog whatever it calls its counts."""

import pytest
from test_failed_batches_command import adobe, ingest

from bridge.adobe import catalog
from bridge.adobe.client import PlatformClient
from bridge.adobe.reconciliation.ingested import ingested_in
from bridge.routes.reconciliation.reconciling import why_aep_unknown
from bridge.settings import load_deployment, load_settings
from bridge.telemetry.metrics import Metrics

__all__ = ["adobe"]


@pytest.mark.parametrize("metrics", ["documented", "lake", "streaming"])
@pytest.mark.parametrize("partial", ["always", "never"])
@pytest.mark.parametrize("compaction", ["on", "off"])
async def test_every_record_counts_once(adobe, metrics, partial, compaction):
    """Ingested and failed, in batches that fail whole or in part, compacted or not."""
    readings = {"batch_metrics": metrics, "partial_batches": partial, "compaction": compaction}
    adobe.control(platform={"oddities": readings})
    for window in range(4):
        await ingest(adobe, f"bad-{window}", good=(f"a-{window}", f"b-{window}"))
    async with PlatformClient(load_settings(), Metrics()) as client:
        found = await catalog.batches(client, load_settings().aep.dataset_id, created_after=0)
    counts = ingested_in(found, since=0)
    assert (sum(day.ingested for day in counts.days.values()), sum(day.failed for day in counts.days.values())) == (
        8,
        4,
    )
    assert counts.untold == []
    assert sum(failed for _, failed in counts.failed_batches.values()) == 4


async def test_without_counts_every_batch_is_told_as_unknown(adobe):
    """Nothing is invented."""
    adobe.control(platform={"oddities": {"batch_metrics": "none"}})
    await ingest(adobe, good=("a",))
    async with PlatformClient(load_settings(), Metrics()) as client:
        found = await catalog.batches(client, load_settings().aep.dataset_id, created_after=0)
    counts = ingested_in(found, since=0)
    assert (counts.records, len(counts.untold)) == (0, 1)


async def test_aep_is_asked_where_the_settings_allow_it(adobe, monkeypatch):
    """Else the variables that are missing are named, by the route's own names."""
    (route,) = load_deployment().routes
    assert not why_aep_unknown(route)
    monkeypatch.setenv("BRIDGE_OAUTH__CLIENT_ID", "")
    monkeypatch.chdir("/")
    (route,) = load_deployment().routes
    assert "BRIDGE_AEP__DATASET_ID" in why_aep_unknown(route)
    assert "BRIDGE_OAUTH__CLIENT_ID" in why_aep_unknown(route)
