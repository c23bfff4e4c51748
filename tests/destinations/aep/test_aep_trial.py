"""What ``aep-bridge check`` asks AEP: a token, and one trial event with syncValidation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.destinations.aep.trial import send_trial, trial_event, try_token
from bridge.emulators.adobe import Emulator, Inlet
from bridge.settings import Settings
from bridge.telemetry.metrics import Metrics


def settings_of(emulator, *, secret=None, **aep):
    """Settings that meet this emulator, but for what the test changes."""
    values = {
        "endpoint": emulator.collection_url,
        "org_id": emulator.org_id,
        "schema_id": emulator.schema_id,
        "dataset_id": emulator.dataset_id,
        "flow_id": emulator.flow_id,
        "payload": emulator.inlet.payload,
    }
    oauth = {"token_url": emulator.token_url, "client_id": emulator.client_id}
    return Settings(aep=values | aep, oauth=oauth | {"client_secret": secret or emulator.client_secret})


async def test_token_is_tried_once():
    """One request to IMS, granted or refused; the words never hold the secret."""
    async with Emulator() as emulator:
        assert (await try_token(settings_of(emulator), Metrics())).ok
        refused = await try_token(settings_of(emulator, secret="mistyped"), Metrics())
        assert not refused.ok
        assert "BRIDGE_OAUTH__CLIENT_SECRET" in refused.words
        assert "mistyped" not in refused.words
        assert emulator.received.token_requests == {"200": 1, "401": 1}


@pytest.mark.parametrize("sync", [True, False])
async def test_trial_event_is_taken(sync):
    """Validated where AEP offers that, else sent without; it is stored once."""
    async with Emulator(sync_validation=sync) as emulator:
        trial = await send_trial(settings_of(emulator), Metrics())
        assert trial.ok
        assert trial.words.endswith("validated and taken" if sync else "in this region")
        (identifier,) = emulator.received.fingerprints
        assert identifier.startswith("aep-bridge-check-")


async def test_raw_trial_event_is_taken():
    """A raw inlet gets a raw event."""
    async with Emulator(inlet=Inlet(payload="raw", flow_id="f")) as emulator:
        assert (await send_trial(settings_of(emulator), Metrics())).ok


@pytest.mark.parametrize(
    ("changes", "control", "words", "todo"),
    [
        ({"org_id": "other@AdobeOrg"}, {}, "ims org", "BRIDGE_AEP__ORG_ID"),
        ({"schema_id": "https://ns.adobe.com/other"}, {}, "unknown xdm format", "BRIDGE_AEP__SCHEMA_ID"),
        ({}, {"fail": 403}, "403", "product profile"),
        ({}, {"fail": 503}, "503", "try again"),
        ({}, {"reset": "before"}, "connection failed", "BRIDGE_AEP__ENDPOINT"),
    ],
)
async def test_refused_trial_says_what_to_do(changes, control, words, todo):
    """Each kind of refusal names the settings or the permission to look at."""
    async with Emulator() as emulator:
        emulator.control(**control)
        trial = await send_trial(settings_of(emulator, **changes), Metrics())
        assert not trial.ok
        assert words in trial.words
        assert todo in trial.todo


def test_trial_event_carries_no_identity():
    """It can make no profile, and its id says what it is."""
    event = trial_event(Settings(), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert event["timestamp"] == "2026-01-02T03:04:05Z"
    assert "identityMap" not in event
