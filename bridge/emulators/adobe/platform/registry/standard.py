"""Adobe's own resources that every sandbox has: classes, behaviours and a few field groups (``/global``)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Final

import orjson

EXPERIENCE_EVENT: Final = "https://ns.adobe.com/xdm/context/experienceevent"
PROFILE: Final = "https://ns.adobe.com/xdm/context/profile"
IDENTITY_MAP: Final = "https://ns.adobe.com/xdm/context/identitymap"

KINDS: Final = {
    "fieldgroups": "mixins",
    "mixins": "mixins",
    "schemas": "schemas",
    "classes": "classes",
    "datatypes": "datatypes",
    "behaviors": "behaviors",
}
"""What stands in a path, and the ``meta:resourceType`` that it means."""


@cache
def standard() -> dict[str, dict[str, Any]]:
    """Resources by ``$id``, with the keys that the server adds."""
    found = orjson.loads(files(__package__).joinpath("standard.json").read_bytes())
    return {one["$id"]: _completed(one) for one in found}


def _completed(one: dict[str, Any]) -> dict[str, Any]:
    short = one["$id"].removeprefix("https://ns.adobe.com/").replace("/", ".")
    return {
        "type": "object",
        "meta:altId": "_" + short,
        "version": "1.0",
        "meta:extensible": True,
        "meta:abstract": True,
        "meta:containerId": "global",
        "meta:tenantNamespace": "",
        "meta:xdmType": "object",
        "meta:registryMetadata": {"eTag": short, "meta:globalLibVersion": "1.0"},
    } | one
