"""A sample ExperienceEvent from the schema alone, as MoEngage's guide asks for one in step 5.1. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.adobe.provisioning.fields import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOMENT: Final = "2026-01-31T12:00:00Z"
_IDS: Final = {
    "email": "customer@example.com",
    "phone": "+12025550100",
    "ecid": "12345678901234567890123456789012345678",
}
"""Identities of a form that Identity Service takes, by symbol without case."""


def sample_event(fields: Mapping[str, Any], tenant: str, namespaces: Sequence[str]) -> dict[str, Any]:
    """An event with every required field, every field of the tenant and an identity in every namespace, the first primary."""
    return {
        "_id": "sample-event-001",
        "timestamp": _MOMENT,
        "eventType": "directMarketing.emailSent",
        "eventMergeId": "sample-event-001",
        "producedBy": "MOENGAGE",
        "identityMap": {
            name: [{"id": _IDS.get(name.lower(), f"sample-{name}"), "primary": position == 0}]
            for position, name in enumerate(namespaces)
        },
        tenant: {name: value_of(field, name) for name, field in fields.items()},
    }


def value_of(field: Any, name: str) -> Any:
    """A value that a field takes; of several that are allowed the first, of numbers one within the bounds."""
    field = field if isinstance(field, dict) else {}
    allowed = field.get("enum") or list(field.get("meta:enum") or {})
    if allowed:
        return allowed[0]
    match kind_of(field):
        case "map":
            return {"key": value_of(field.get("additionalProperties"), "value")}
        case "object":
            return {key: value_of(one, key) for key, one in (field.get("properties") or {}).items()}
        case "array":
            return [value_of(field.get("items"), name)]
        case "integer" | "number":
            return max(1, field.get("minimum", 1)) if field.get("maximum", 1) >= 1 else field["maximum"]
        case "boolean":
            return True
        case "date-time":
            return _MOMENT
        case "date":
            return _MOMENT[:10]
        case _:
            text = f"sample {name}".ljust(field.get("minLength") or 0, "x")
            return text[: field.get("maxLength") or len(text)]
