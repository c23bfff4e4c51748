"""With default settings nothing leaves that the schema of MoEngage's guide refuses: real-shaped events, and any made of them."""

import json
from pathlib import Path

from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.routes.mapping_opening import open_experience_events
from bridge.settings import MappingSettings
from bridge.sources.moengage.envelopes import events_of
from bridge.xdm.schema.compiled_schema import compile_schema, load_schema

ROOT = Path(__file__).parents[2]
GUIDE = compile_schema(load_schema(ROOT / "mappings" / "moengage_events.schema.json"), tenant="_yourorgname")
SAMPLES = [
    event
    for line in (ROOT / "tests" / "data" / "samples" / "moengage-events.jsonl").read_text("utf-8").splitlines()
    for event in events_of(json.loads(line))
    if isinstance(event, dict)
]
BUILD = open_experience_events(MappingSettings()).build

odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def leaves_right(event):
    """What is built of the event is refused, or passes the guide's schema as it is."""
    built = BUILD(event)
    if built.rejection is None:
        assert GUIDE.check(built.xdm) == (built.xdm, [], [])
    return built.rejection is None


def test_real_shaped_events_leave_as_the_guide_s_schema_wants_them():
    """All of them that have an identity leave, and none needs a second look."""
    assert len(SAMPLES) >= 100
    assert sum(map(leaves_right, SAMPLES)) >= 130


@settings(max_examples=examples(200), deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.dictionaries(
        st.sampled_from(
            ["event_name", "event_code", "source", "app_name", "event_attributes", "user_attributes", "device_attributes",
             "campaign_id", "event_uuid", "time", "id"]
        ),
        odd,
        max_size=3,
    ),
    st.dictionaries(st.text(max_size=4) | st.sampled_from(["campaign_id", "campaign_name"]), odd, max_size=4),
)  # fmt: skip
def test_whatever_stands_in_an_event_what_leaves_is_right(event, changed, attributes):
    """Any value anywhere, and any attributes."""
    held = event.get("event_attributes") or {}
    leaves_right({**event, "event_attributes": {**held, **attributes}, **changed})
