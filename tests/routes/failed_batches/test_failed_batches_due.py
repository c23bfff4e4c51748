"""When does the leader look for failed batches, and where does it not, and why?"""

from __future__ import annotations

import pytest

from bridge.routes.failed_batches_task import FailedBatchesTask, why_off
from bridge.settings import Route, Settings
from bridge.sources.moengage.decoder import DECODER
from bridge.telemetry.metrics import Metrics


def test_when_it_is_due():
    """Regularly, over restarts; a while after a start of which nothing is remembered; never where it is off."""
    aep = {"failed_batches_seconds": 300, "dataset_id": "d"}
    route = Route("default", "moengage", "aep", Settings(aep=aep), declared=False)
    task = FailedBatchesTask(route, DECODER, Metrics())
    assert task.due(None, 1_000.0) == 1_060.0
    assert task.due(500.0, 1_000.0) == 800.0


@pytest.mark.parametrize(
    ("aep", "oauth", "words"),
    [
        ({}, {}, ""),
        ({"failed_batches_seconds": 0}, {}, "BRIDGE_AEP__FAILED_BATCHES_SECONDS is 0"),
        ({"dataset_id": None}, {}, "BRIDGE_AEP__DATASET_ID"),
        ({"dataset_id": "0123456789abcdef01234567"}, {}, "BRIDGE_AEP__DATASET_ID"),
        ({}, {"client_id": None}, "BRIDGE_OAUTH__CLIENT_ID"),
        ({}, {"client_secret": None}, "BRIDGE_OAUTH__CLIENT_SECRET"),
        ({"endpoint": "http://127.0.0.1:1/collection/a"}, {}, "BRIDGE_AEP__PLATFORM_URL is not set"),
        ({"endpoint": "http://127.0.0.1:1/collection/a", "platform_url": "https://platform.adobe.io"}, {}, ""),
        ({"endpoint": "http://127.0.0.1:1/collection/a", "platform_url": "http://127.0.0.1:1"}, {}, ""),
    ],
)
def test_where_it_does_not_run_it_says_why(aep, oauth, words):
    """Off, no dataset, no credentials; and the credentials of a stand-in never go to Adobe unless the settings say so."""
    aep = {
        "endpoint": "https://dcs.adobedc.net/collection/a",
        "org_id": "A@AdobeOrg",
        "dataset_id": "5b020a27e7040801dedb5cf0",
        **aep,
    }
    oauth = {"client_id": "a-client", "client_secret": "p8e-mine", **oauth}
    assert words in why_off(Settings(aep=aep, oauth=oauth))
    assert bool(words) == bool(why_off(Settings(aep=aep, oauth=oauth)))
