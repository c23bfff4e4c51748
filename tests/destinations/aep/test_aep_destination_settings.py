"""What the destination asks of the settings before it connects to anything."""

import pytest

from bridge.destinations.aep.destination import batch_url, open_destination
from bridge.model.errors import SettingsError
from bridge.settings import Settings
from bridge.telemetry.metrics import Metrics


def test_missing_settings_are_all_named():
    """One error names each variable with an example."""
    with pytest.raises(SettingsError) as caught:
        open_destination(Settings(), Metrics())
    for name in (
        "AEP__ENDPOINT",
        "AEP__ORG_ID",
        "AEP__SCHEMA_ID",
        "AEP__DATASET_ID",
        "OAUTH__CLIENT_ID",
    ):
        assert f"BRIDGE_{name}=" in str(caught.value)
    assert "BRIDGE_OAUTH__CLIENT_SECRET=" in str(caught.value)


def test_raw_payload_needs_its_flow():
    """Where AEP maps, the flow id says with which mapping: it is asked for; XDM goes without."""
    aep = Settings().aep.model_copy(update={"payload": "raw"})
    with pytest.raises(SettingsError, match="BRIDGE_AEP__FLOW_ID="):
        open_destination(Settings(aep=aep), Metrics())


def test_batch_endpoint_of_an_inlet():
    """The inlet's URL as AEP shows it becomes the batch URL."""
    assert batch_url("https://dcs.adobedc.net/collection/abc") == "https://dcs.adobedc.net/collection/batch/abc"
