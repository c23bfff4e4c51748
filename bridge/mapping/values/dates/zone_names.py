"""English names of time zones: the text of the pattern letter ``z``."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bridge.mapping.values.dates.zones import localized, seconds_of

if TYPE_CHECKING:
    from collections.abc import Mapping

Names = tuple[str, str, str, str]
"""Short standard, short daylight, long standard, long daylight."""

# Summer is these zones' standard time in the tz database and winter is "negative daylight saving"; Java keeps to Greenwich
# time as their standard.
_GREENWICH_STANDARD = {"Europe/Dublin", "Eire", "Africa/Casablanca", "Africa/El_Aaiun"}


@cache
def _names() -> Mapping[str, Names]:
    names: dict[str, Names] = {}
    for line in resources.files("bridge.mapping").joinpath("zone_names.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            short, short_daylight, full, full_daylight, zones = line.split("|")
            names.update(dict.fromkeys(zones.split(), (short, short_daylight, full, full_daylight)))
    return names


def zone_name(date: datetime, *, full: bool) -> str:
    """``PST`` or ``Pacific Standard Time``; of a fixed offset ``GMT+02:00``."""
    zone = date.tzinfo
    if isinstance(zone, ZoneInfo):
        names = _names().get(zone.key)
        if names is None:
            return date.tzname() or ""
        return names[2 * full + _daylight(date, zone)]
    if not seconds_of(date):
        return "Coordinated Universal Time" if full else "UTC"
    name = date.tzname() or ""
    return name if name.isalpha() else localized(date, short=False)


def _daylight(date: datetime, zone: ZoneInfo) -> bool:
    if zone.key in _GREENWICH_STANDARD:
        return seconds_of(date) != 0
    return (date.dst() or timedelta()) > timedelta()


@cache
def zones_by_name() -> Mapping[str, tuple[str, bool]]:
    """Long English name in lower case -> (a zone that bears it, whether it is the daylight one)."""
    known: dict[str, tuple[str, bool]] = {}
    for zone, (_, _, full, daylight) in _names().items():
        known.setdefault(full.lower(), (zone, False))
        known.setdefault(daylight.lower(), (zone, True))
    return known
