"""Where MoEngage's Streams and Partner Exports come from: the names that ``BRIDGE_RECEIVER__ALLOW_FROM`` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

EGRESS: Mapping[str, str] = {
    "dc-01": "52.6.248.125",
    "dc-02": "18.195.110.23",
    "dc-03": "3.6.251.95",
    "dc-04": "18.217.73.1",
    "dc-05": "18.143.35.151",
    "dc-06": "43.218.197.196",
}
"""Address by data centre (MoEngage docs, IP whitelisting; they may change)."""
PRESET = "moengage"
"""All of them."""
