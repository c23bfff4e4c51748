"""The test event of a route: MoEngage's own test payload, through the route's mapping, to the route's inlet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.adobe.provisioning.verification import Said
from bridge.destinations.aep.destination import check_settings, open_envelope
from bridge.destinations.aep.trial import send_batched, send_validated
from bridge.model.errors import BridgeError
from bridge.model.event import Refusal
from bridge.routes.event_builder import load_builder
from bridge.sources.moengage.envelopes import events_of
from bridge.xdm.departure import departing
from bridge.xdm.size import SizeRule

if TYPE_CHECKING:
    from bridge.model.trial import Trial
    from bridge.settings import Settings
    from bridge.telemetry.metrics import Metrics

PERSON = "aep-bridge-verify"
"""Customer id of the person that test events are of: always the same, so that Profile has one of them at most."""


def guide_payload(identifier: str, seconds: int) -> dict[str, Any]:
    """A test payload in the form of MoEngage's guide (step 6.1); ``seconds`` since 1970, as MoEngage gives time."""
    return {
        "app_name": "aep-bridge",
        "source": "MOENGAGE",
        "moe_request_id": identifier,
        "id": identifier,
        "time": seconds,
        "event_uuid": identifier,
        "event_source": "MOENGAGE",
        "event_name": "Email Sent",
        "event_code": "MOE_EMAIL_SENT",
        "event_type": "CAMPAIGN_EVENT",
        "identities": {
            "externalId": PERSON,
            "moengageUserId": PERSON,
            "email": f"{PERSON}@example.com",
            "phone": "+12025550100",
        },
        "event_attributes": {
            "campaign_id": "aep-bridge-verify",
            "campaign_name": "Test of the integration",
            "campaign_type": "Event Trigger",
            "campaign_channel": "Email",
        },
        "user_attributes": {"subscription_tier": "premium", "preferred_language": "en"},
        "device_attributes": {"platform": "iOS", "os_version": "16.2"},
    }


@dataclass(frozen=True, slots=True)
class RouteProbe:
    """A :class:`~bridge.adobe.provisioning.verification.Probe`: ``sent`` is the event as it leaves the bridge."""

    settings: Settings
    metrics: Metrics
    identifier: str
    payload: dict[str, Any]
    sent: dict[str, Any]
    identity: tuple[str, str] | None

    async def send_alone(self) -> Said:
        """To the single endpoint."""
        return _said(await send_validated(self.settings, self.metrics, self.sent))

    async def send_batched(self) -> Said:
        """To the batch endpoint."""
        return _said(await send_batched(self.settings, self.metrics, self.sent))


def _said(trial: Trial) -> Said:
    return Said(trial.ok, trial.words, trial.todo)


def open_probe(settings: Settings, metrics: Metrics, now: float) -> RouteProbe:
    """The route's test event of this moment, mapped and checked. Raises ``BridgeError`` with what the mapping refuses it for."""
    check_settings(settings)
    identifier = f"aep-bridge-verify-{now * 1_000:.0f}"
    payload = guide_payload(identifier, int(now))
    (event,) = events_of(payload)
    if isinstance(event, Refusal):
        raise BridgeError(f"the test event is refused: {event.reason}")
    builder, _ = load_builder(settings)
    if builder is None:
        primary = settings.mapping.primary_identity[0]
        return RouteProbe(settings, metrics, identifier, payload, event, (primary, PERSON))
    built = departing(builder.build, SizeRule(settings.mapping), open_envelope(settings).encode)(event)
    if built.rejection is not None:
        raise BridgeError(
            f"the mapping refuses the test event ({built.rejection.code}): {built.rejection.reason}",
            hint="aep-bridge mapping preview shows what each row makes of an event",
        )
    return RouteProbe(settings, metrics, identifier, payload, built.xdm, _primary(built.xdm))


def _primary(xdm: dict[str, Any]) -> tuple[str, str] | None:
    for namespace, items in (xdm.get("identityMap") or {}).items():
        for item in items:
            if item.get("primary"):
                return namespace, str(item["id"])
    return None
