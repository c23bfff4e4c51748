"""The shipped mapping as a programmer would write it by hand, identities included: what every peer of the ladder maps with.

It needs nothing but the standard library. :func:`build` gives the same XDM as the worker for every sample event
(``bench.records`` asserts that before anything is measured), and checks nothing that the samples do not need.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).resolve().parent.parent / "tests" / "data" / "event-types.csv"
with _TABLE.open(encoding="utf-8", newline="") as _lines:
    TYPES = {row["event_code"]: row["xdm_event_type"] for row in csv.DictReader(_lines)}
TENANT = "_yourorgname"


def _text(value: Any) -> dict[str, Any] | None:
    """An object without its nulls; None when nothing is left."""
    return {key: one for key, one in value.items() if one is not None} or None if value else None


def build(event: dict[str, Any]) -> dict[str, Any]:
    """A canonical MoEngage event -> XDM ExperienceEvent."""
    get = event.get
    attributes = get("event_attributes") or {}
    user = get("user_attributes") or {}
    identities = get("identities") or {}
    code = get("event_code")
    out: dict[str, Any] = {"_id": get("id")}
    if (moment := get("time")) is not None:
        out["timestamp"] = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if code is not None:
        out["eventType"] = TYPES.get(code) or f"moengage.{code}"
    if (value := get("event_uuid")) is not None:
        out["eventMergeId"] = value
    source = get("source")
    if source is not None:
        out["producedBy"] = source
    people: dict[str, Any] = {}
    if value := identities.get("externalId"):
        people["lumaCrmId"] = [{"id": value, "primary": False}]
    if (value := identities.get("email")) and (value := value.strip().lower()):
        people["Email"] = [{"id": value, "primary": False}]
    if (value := identities.get("phone")) and (value := value.strip()):
        people["Phone"] = [{"id": value, "primary": False}]
    if value := identities.get("moengageUserId"):
        people["moengageUserId"] = [{"id": value, "primary": False}]
    if (
        (value := identities.get("ecid") or user.get("ecid") or user.get("ECID"))
        and len(value) == 38
        and value.isdigit()
    ):
        people["ECID"] = [{"id": value, "primary": False}]
    for namespace in people:
        people[namespace][0]["primary"] = True
        break
    if people:
        out["identityMap"] = people
    tenant: dict[str, Any] = {}
    if source is not None:
        tenant["source"] = source
    if (value := get("event_name")) is not None:
        tenant["eventName"] = value
    if code is not None:
        tenant["eventCode"] = code
    if (value := get("app_name")) is not None:
        tenant["appName"] = value
    if (value := attributes.get("campaign_id")) is not None:
        tenant["campaignId"] = value
    if (value := attributes.get("campaign_name")) is not None:
        tenant["campaignName"] = value
    if (value := attributes.get("campaign_type")) is not None:
        tenant["campaignType"] = value
    if (value := attributes.get("campaign_channel")) is not None:
        tenant["campaignChannel"] = value
    if found := _text(attributes):
        tenant["eventAttributesJson"] = found
    if found := _text(user):
        tenant["userAttributesJson"] = found
    if found := _text(get("device_attributes")):
        tenant["deviceAttributesJson"] = found
    if tenant:
        out[TENANT] = tenant
    return out
