"""Building ExperienceEvents from whatever a mapping may make."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bridge.settings import MappingSettings
from bridge.xdm.experience_event import ExperienceEvents
from bridge.xdm.problems import REJECTION_CODES
from bridge.xdm.required import is_uri_reference, parse_date_time
from bridge.xdm.schema.compiled_schema import compile_schema, load_schema

SCHEMA = compile_schema(load_schema(Path(__file__).parents[2] / "mappings" / "moengage_events.schema.json"))
NOW = 1_731_421_200.0

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
moments = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
identities = st.dictionaries(
    st.sampled_from(["lumaCrmId", "Email", "x"]),
    st.lists(st.fixed_dictionaries({"id": scalars | st.just("customer")}), max_size=2),
)
events = st.fixed_dictionaries(
    {},
    optional={
        "_id": anything | st.just("event-1"),
        "timestamp": anything | moments | st.just("2024-11-12T14:20:00Z"),
        "identityMap": anything | identities,
        "eventType": anything | st.just("web.webinteraction.linkClicks"),
        "_yourorgname": anything
        | st.dictionaries(st.sampled_from(["campaignId", "eventAttributesJson", "other"]), anything, max_size=3),
    },
)


class Given:
    """A mapping whose outcome is given."""

    sha256 = "0" * 64

    def __init__(self, xdm):
        self.xdm = xdm

    def apply(self, _event):
        """The given XDM."""
        return self.xdm, ()


@given(events, st.booleans())
def test_what_leaves_is_an_experience_event(xdm, with_schema):
    """Nothing is raised; an event leaves with _id, timestamp and one primary identity, or is rejected under a known code."""
    built = ExperienceEvents(Given(xdm), MappingSettings(), SCHEMA if with_schema else None, clock=lambda: NOW).build(
        {}
    )
    if built.rejection is not None:
        assert built.rejection.code in REJECTION_CODES
        return
    assert built.xdm["_id"]
    assert is_uri_reference(built.xdm["_id"])
    assert parse_date_time(built.xdm["timestamp"]).timestamp() >= 0
    items = [item for held in built.xdm["identityMap"].values() for item in held]
    assert sum(item["primary"] for item in items) == 1
    again = ExperienceEvents(Given(json.loads(json.dumps(built.xdm))), MappingSettings(), clock=lambda: NOW).build({})
    assert repr(again.xdm) == repr(built.xdm)
    assert again.rejection is None
