"""Profiles that the testing API makes up: ids as ``gaid-adKYs``, audiences ``segmentid1`` to ``segmentid3``, values ``string``.

Source: AEP docs, destination-sdk/testing-api/streaming-destinations/sample-profile-generation-api.md.
"""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.emulators.adobe.platform.destination_connections import Connection

_LETTERS: Final = string.ascii_letters + string.digits
_TIME: Final = "2026-11-02T08:15:30.828461Z"


def of_target(destination: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Profiles of the target schema: what a template gets."""
    return [
        {
            "segmentMembership": {
                "ups": {
                    "segmentid1": {"lastQualificationTime": _TIME, "status": "realized"},
                    "segmentid3": {"lastQualificationTime": _TIME, "status": "exited"},
                    "segmentid2": {"lastQualificationTime": _TIME, "status": "realized"},
                }
            },
            "identityMap": _identities(destination["identityNamespaces"]),
            "attributes": {"key": {"value": "string"}},
        }
        for _ in range(count)
    ]


def of_source(connection: Connection, count: int) -> list[dict[str, Any]]:
    """Profiles of the XDM schema, with what the connection maps and nothing else."""
    made = []
    for _ in range(count):
        profile: dict[str, Any] = {
            "segmentMembership": {
                "ups": {one: {"lastQualificationTime": _TIME, "status": "realized"} for one in connection.audiences}
            },
            "identityMap": _identities(connection.identities),
        }
        for path in connection.attributes:
            *above, last = path.split(".")
            at = profile
            for step in above:
                at = at.setdefault(step, {})
            at[last] = "string"
        made.append(profile)
    return made


def _identities(namespaces: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    return {one: [{"id": f"{one}-{''.join(secrets.choice(_LETTERS) for _ in range(5))}"}] for one in namespaces}
