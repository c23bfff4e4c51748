"""What happens to an event above the size that Profile keeps."""

import copy
import json

import orjson
import pytest

from bridge.model.errors import SettingsError
from bridge.settings import MappingSettings
from bridge.xdm.size import SizeRule

XDM = {
    "_id": "e1",
    "_acme": {"a": {"k": "x" * 300}, "b": {"k": "x" * 600}, "c": "x" * 100, "eventName": "Email Sent"},
    "only": {"child": {"k": "y" * 50}},
}
SIZE = len(json.dumps(XDM, separators=(",", ":")))


def judge(limit, action="drop", paths=("{tenant}.a", "{tenant}.b", "{tenant}.c", "{tenant}.absent"), xdm=None):
    """The verdict on the event under a limit in bytes."""
    settings = MappingSettings(tenant="_acme", event_bytes=limit, oversize=action, oversize_drop=paths)
    return SizeRule(settings).check(XDM if xdm is None else xdm, 1_000_000)


def test_fitting_event_is_not_even_measured():
    """The encoded length bounds the XDM: below the limit nothing else is looked at."""
    rule = SizeRule(MappingSettings(event_bytes=100))
    assert rule.check({"unencodable": object()}, 100) is None
    assert SizeRule(MappingSettings(event_bytes=0)).check(XDM, 10**9) is None


def test_envelope_does_not_count():
    """Only the XDM's own JSON is held against the limit, to the byte."""
    assert judge(SIZE) is None
    assert judge(SIZE - 1, "warn").size == SIZE


def test_warn_leaves_the_event_alone():
    """The default tells and lets it go."""
    over = judge(500, "warn")
    assert (over.action, over.xdm is XDM, over.limit, over.rejection, over.dropped) == ("warn", True, 500, None, ())


def test_reject_names_sizes():
    """A rejection says how large the event is and how large it may be."""
    over = judge(500, "reject")
    assert (over.action, over.rejection.stage, over.rejection.code) == ("reject", "check", "event_oversize")
    assert f"{SIZE} bytes" in over.rejection.reason
    assert "500" in over.rejection.reason


def test_drop_takes_the_largest_first_and_no_more_than_needed():
    """The largest listed path goes first; the rest stays once the event fits; the input is untouched."""
    before = copy.deepcopy(XDM)
    over = judge(SIZE - 100)
    assert (over.action, over.dropped, over.rejection) == ("drop", ("_acme.b",), None)
    assert list(over.xdm["_acme"]) == ["a", "c", "eventName"]
    assert before == XDM
    over = judge(SIZE - 700)
    assert over.dropped == ("_acme.b", "_acme.a")
    assert len(orjson.dumps(over.xdm)) <= SIZE - 700


def test_drop_that_does_not_help_is_a_rejection():
    """When nothing that may go is enough, the event is refused whole, not thinned in vain."""
    over = judge(60)
    assert (over.action, over.dropped, over.xdm is XDM) == ("reject", (), True)
    assert over.rejection.code == "event_oversize"
    assert "without _acme.b, _acme.a, _acme.c" in over.rejection.reason


def test_emptied_parents_go_with_their_last_child():
    """No empty object is left behind."""
    assert "only" not in judge(SIZE - 10, paths=("only.child.k",)).xdm


def test_overlapping_paths_are_harmless():
    """A path below one that is gone is passed over."""
    over = judge(SIZE - 800, paths=("_acme.b", "_acme.b.k", "_acme.a"))
    assert over.dropped == ("_acme.b", "_acme.a")


@pytest.mark.parametrize("path", ["_id", "timestamp", "identityMap", "identityMap.Email"])
def test_required_fields_cannot_be_dropped(path):
    """A setting that would drop what an event needs stops the start with its name."""
    with pytest.raises(SettingsError, match="BRIDGE_MAPPING__OVERSIZE_DROP"):
        SizeRule(MappingSettings(oversize_drop=(path,)))
