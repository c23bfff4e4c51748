"""Does AEP take what this bridge is set up to send? One token, and on request one event that says it is a trial.

The event goes to the single endpoint with ``syncValidation=true``, which validates while one waits; Adobe offers that for
development, at 60 requests a minute, in one region. Elsewhere it answers 501 and the event is sent without.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bridge.destinations.aep.answers import read_answer
from bridge.destinations.aep.destination import check_settings, open_destination, open_envelope, request_headers
from bridge.destinations.http.exchange import NoReply, Reply, open_client, post
from bridge.destinations.http.oauth import NoToken, Pauses, Token, TokenSource
from bridge.model.trial import Trial
from bridge.model.verdicts import (
    Accepted,
    AllAccepted,
    Answered,
    Misconfigured,
    Outcome,
    Rejected,
    Throttled,
    Transient,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from bridge.settings import Settings
    from bridge.telemetry.metrics import Metrics

_IMPATIENT = Pauses(timeout=10.0, quick=())
_MOST_ANSWER_BYTES = 1_000_000


async def try_token(settings: Settings, metrics: Metrics) -> Trial:
    """Ask IMS for a token, once."""
    tokens = TokenSource(settings.oauth, metrics, pauses=_IMPATIENT)
    try:
        token = await tokens.token()
    finally:
        await tokens.aclose()
    if isinstance(token, NoToken):
        return Trial(ok=False, words=token.reason)
    return Trial(ok=True, words=f"{settings.oauth.token_url} gave a token")


def trial_event(settings: Settings, moment: datetime) -> dict[str, Any]:
    """An event that nobody takes for a person's: no identity, hence no profile; its id names it."""
    stamp = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    identifier = f"aep-bridge-check-{moment.timestamp():.0f}"
    if settings.aep.payload == "raw":
        return {"event_uuid": identifier, "event_name": "aep-bridge check", "event_time": int(moment.timestamp())}
    return {"_id": identifier, "timestamp": stamp, "eventType": "aepBridge.check", "producedBy": "self"}


async def send_trial(settings: Settings, metrics: Metrics) -> Trial:
    """Send :func:`trial_event`; it stays in the dataset, as AEP deletes no single event."""
    return await send_validated(settings, metrics, trial_event(settings, datetime.now(UTC)))


async def send_validated(settings: Settings, metrics: Metrics, event: Mapping[str, Any]) -> Trial:
    """Send one event, as it leaves the mapping, to the single endpoint, validated at once where AEP offers that."""
    check_settings(settings)
    envelope = open_envelope(settings)
    item = envelope.encode(event)
    if isinstance(item, Rejected):
        return Trial(ok=False, words=item.reason)
    body = envelope.single(item)
    headers = request_headers(settings)
    tokens = TokenSource(settings.oauth, metrics, pauses=_IMPATIENT) if settings.aep.auth == "oauth" else None
    client = open_client(connections=1, timeout_seconds=settings.aep.timeout_seconds)
    try:
        if tokens is not None:
            token = await tokens.token()
            if not isinstance(token, Token):
                return Trial(ok=False, words=token.reason)
            headers["Authorization"] = token.authorization
        url, how = f"{settings.aep.endpoint}?syncValidation=true", "validated and taken"
        reply = await _post(client, url, body, headers, settings)
        if isinstance(reply, Reply) and reply.status == 501:
            how = "taken, not validated: AEP does not offer that in this region"
            reply = await _post(client, settings.aep.endpoint or "", body, headers, settings)
    finally:
        await client.aclose()
        if tokens is not None:
            await tokens.aclose()
    if isinstance(reply, NoReply):
        return Trial(
            ok=False, words=reply.reason, todo="check BRIDGE_AEP__ENDPOINT and the outbound access of this network"
        )
    outcome = read_answer(reply.status, reply.headers, reply.body, 1, now=time.time())
    if isinstance(outcome, AllAccepted):
        return Trial(ok=True, words=f"{event.get('_id') or event.get('event_uuid')} {how}")
    return Trial(ok=False, words=getattr(outcome, "reason", f"AEP answered {reply.status}"), todo=_todo(outcome))


async def send_batched(settings: Settings, metrics: Metrics, event: Mapping[str, Any]) -> Trial:
    """Send one event, as it leaves the mapping, the way the worker does: in a request to the batch endpoint."""
    async with open_destination(settings, metrics) as destination:
        item = destination.encode(event)
        if isinstance(item, Rejected):
            return Trial(ok=False, words=item.reason)
        outcome = await destination.send([item])
    if isinstance(outcome, Answered):
        verdict = outcome.verdicts[0]
        if not isinstance(verdict, Accepted):
            return Trial(ok=False, words=verdict.reason, todo=_todo(outcome))
    elif not isinstance(outcome, AllAccepted):
        said = getattr(outcome, "reason", "") or f"AEP answered with {type(outcome).__name__}"
        return Trial(ok=False, words=said, todo=_todo(outcome))
    return Trial(ok=True, words="taken, as the worker sends it")


async def _post(
    client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str], settings: Settings
) -> Reply | NoReply:
    return await post(
        client,
        url,
        body=body,
        headers=headers,
        timeout_seconds=settings.aep.timeout_seconds,
        most_bytes=_MOST_ANSWER_BYTES,
    )


def _todo(outcome: Outcome) -> str:
    match outcome:
        case Unauthorized():
            return "give the credential a product profile with write permission on the sandbox and the dataset"
        case Misconfigured():
            return "compare BRIDGE_AEP__ENDPOINT, BRIDGE_AEP__ORG_ID, BRIDGE_AEP__DATASET_ID and BRIDGE_AEP__FLOW_ID with AEP"
        case Transient() | Throttled():
            return "try again in a few minutes; a dataflow that is new or was changed needs up to ten"
        case _:
            return "compare BRIDGE_AEP__SCHEMA_ID and BRIDGE_AEP__DATASET_ID with the dataflow in AEP"
