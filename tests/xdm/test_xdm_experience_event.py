"""What makes an ExperienceEvent fit to leave."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.model.verdicts import Stage
from bridge.settings import MappingSettings
from bridge.xdm.experience_event import ExperienceEvents
from bridge.xdm.problems import FINDING_CODES, REJECTION_CODES, EventFinding
from bridge.xdm.required import is_uri_reference, parse_date_time

GOOD = {"_id": "e1", "timestamp": "2024-11-12T14:20:00Z", "identityMap": {"lumaCrmId": [{"id": "7"}]}}
NOW = 1_731_421_200.0  # 2024-11-12T14:20:00Z


@dataclass
class Nulled:
    """A warning of the mapping."""

    row: int
    source: str
    destination: str
    reason: str


class Given:
    """A mapping whose outcome is given."""

    sha256 = "0" * 64

    def __init__(self, xdm, warnings=()):
        self.xdm, self.warnings = xdm, warnings

    def apply(self, _event):
        """The given XDM, fresh each time."""
        return json.loads(json.dumps(self.xdm)), self.warnings


def build(changes=None, *, without=(), warnings=(), now=NOW, schema=None):
    """What becomes of the good XDM after these changes."""
    xdm = {**GOOD, **(changes or {})}
    for key in without:
        del xdm[key]
    return ExperienceEvents(Given(xdm, warnings), MappingSettings(), schema, clock=lambda: now).build({})


def test_seed_leaves_as_expected():
    """The seed's expected event passes the rules unchanged, keys in the same order."""
    text = (Path(__file__).parents[1] / "data" / "samples" / "seed-event.expected.json").read_text(encoding="utf-8")
    built = ExperienceEvents(Given(json.loads(text)), MappingSettings(), clock=lambda: NOW).build({})
    assert json.dumps(built.xdm, indent=2) == json.dumps(json.loads(text), indent=2)
    assert (built.rejection, list(built.dropped_identities), list(built.findings)) == (None, [], [])


@pytest.mark.parametrize("path", ["_id", "timestamp"])
@pytest.mark.parametrize("how", ["absent", "null"])
def test_missing_required_field_names_the_row_that_nulled_it(path, how):
    """A nulled required field rejects with path, row and the reason of the mapping."""
    nulled = (Nulled(9, "x", "producedBy", "other"), Nulled(3, "dformat(time)", path, "not a number"))
    built = build({path: None} if how == "null" else None, without=() if how == "null" else (path,), warnings=nulled)
    assert built.rejection.stage is Stage.CHECK
    assert built.rejection.code == "required_missing"
    assert built.rejection.reason == f"#/{path} is required and null: row 3: not a number"
    assert built.xdm["identityMap"]["lumaCrmId"][0]["primary"] is True


def test_missing_identity_is_rejected():
    """Without identityMap the event is rejected, and the XDM holds no empty map."""
    built = build({"identityMap": {"Email": [{"id": " "}]}})
    assert built.rejection.code == "identity_none_valid"
    assert "identityMap" not in built.xdm
    assert [item.reason for item in built.dropped_identities] == ["blank"]


@pytest.mark.parametrize("value", ["", " ", "a b", 'a"b', "a\nb", "50%", "2024-11-12T14:20:00Z", True, 1.5, {}, []])
def test_id_that_is_no_uri_reference(value):
    """An _id that AEP's format check refuses is refused here."""
    built = build({"_id": value})
    assert (built.rejection.code, built.rejection.reason.split()[0]) == ("id_invalid", "#/_id")


@pytest.mark.parametrize(("value", "text"), [(1234, "1234"), (4000052183.0, "4000052183")])
def test_numeric_id_becomes_text(value, text):
    """Data Prep's preview turns id 1234 into _id "1234"."""
    built = build({"_id": value})
    assert (built.rejection, built.xdm["_id"]) == (None, text)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("test_event_001", True),
        ("b7e6f1a0-0c5e-4b1e-9b1c-0d2f6a1e9f00", True),
        ("urn:uuid:b7e6f1a0-0c5e-4b1e-9b1c-0d2f6a1e9f00", True),
        ("a/b:c", True),
        ("./1:2", True),
        ("1:2", False),
        ("http://host:80/a?b=c#d", True),
        ("http://[::1]:80/a", True),
        ("a[0]", False),
        ("a%20b", True),
        ("a%2", False),
        ("a#b#c", False),
        ("ユーザー", True),
        ("a\u00a0b", False),
        ("a\x00b", False),
        ("a|b", False),
        ("a{b}", False),
        ("a\\b", False),
        ("base64+/=", True),
    ],
)
def test_uri_reference(text, good):
    """The grammar of RFC 3986, with other scripts as Java's URI takes them."""
    assert is_uri_reference(text) is good


def test_uri_reference_is_linear():
    """A long hostile id is refused at once."""
    assert not is_uri_reference("a" * 200_000 + " ")
    assert not is_uri_reference("//" + "a@" * 100_000 + "\\")


@pytest.mark.parametrize(
    "text",
    [
        "2024-11-12T14:20:00Z",
        "2024-11-12T14:20:00.1Z",
        "2024-11-12T14:20:00.123456789Z",
        "2024-11-12T14:20:00+05:30",
        "2024-11-12T14:20:00.123-08:00",
        "1970-01-01T00:00:00Z",
    ],
)
def test_timestamp_shapes_that_aep_takes(text):
    """Every shape that AEP's validator names passes unchanged."""
    built = build({"timestamp": text})
    assert (built.rejection, built.xdm["timestamp"]) == (None, text)


@pytest.mark.parametrize(
    "value",
    [
        "2024-11-12T14:20:00",
        "2024-11-12T14:20Z",
        "2024-11-12T14:20:00+0530",
        "2024-11-12 14:20:00Z",
        "2024-11-12T14:20:00.1234567890Z",
        "2024-11-12t14:20:00z",
        "2024-13-12T14:20:00Z",
        "2024-02-30T14:20:00Z",
        "2024-11-12T24:20:00Z",
        "2024-W46-2T14:20:00Z",
        "٢٠٢٤-11-12T14:20:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "",
        1731421200,
        1731421200.0,
        True,
        {},
    ],
)
def test_timestamp_that_aep_does_not_take(value):
    """Other shapes, impossible dates, epochs and the time before 1970 are refused."""
    built = build({"timestamp": value})
    assert (built.rejection.code, built.rejection.reason.split()[0]) == ("timestamp_invalid", "#/timestamp")


def test_rejections_never_quote_values():
    """Reasons name paths only."""
    built = build({"_id": "secret value", "timestamp": "secret"})
    assert "secret" not in built.rejection.reason


def test_future_timestamp_is_a_finding():
    """More than five minutes ahead is told and leaves; offsets count."""
    assert [found.code for found in build({"timestamp": "2024-11-12T14:25:01Z"}).findings] == ["timestamp_future"]
    assert list(build({"timestamp": "2024-11-12T14:25:00Z"}).findings) == []
    assert list(build({"timestamp": "2024-11-12T19:50:00+05:30"}).findings) == []
    assert [found.code for found in build({"timestamp": "2024-11-12T14:20:00-08:00"}).findings] == ["timestamp_future"]
    assert build({"timestamp": "2999-01-01T00:00:00Z"}).rejection is None


def test_clock_moves_on():
    """What was the future is not for ever: the remembered instant follows the clock."""
    ticks = iter([NOW, NOW + 3600, NOW + 7200])
    mapping = Given({**GOOD, "timestamp": "2024-11-12T15:20:00Z"})
    events = ExperienceEvents(mapping, MappingSettings(), clock=lambda: next(ticks))
    assert [found.code for found in events.build({}).findings] == ["timestamp_future"]
    assert list(events.build({}).findings) == []
    assert list(events.build({}).findings) == []
    assert next(ticks) == NOW + 7200  # the third event lay in the known past: no clock was asked


def test_parse_date_time_is_aware():
    """Instants carry their zone."""
    assert parse_date_time("2024-11-12T14:20:00Z").timestamp() == NOW
    assert parse_date_time("nonsense") is None


def test_codes_are_documented():
    """Each code that a check can give stands in the tables."""
    codes = {
        build({"_id": ""}).rejection.code,
        build({"timestamp": "x"}).rejection.code,
        build(without=("_id",)).rejection.code,
        build(without=("identityMap",)).rejection.code,
        build({"identityMap": {"x": [{"id": "1"}]}}).rejection.code,
    }
    assert codes <= set(REJECTION_CODES)
    assert {found.code for found in build({"timestamp": "2999-01-01T00:00:00Z"}).findings} <= set(FINDING_CODES)


def test_what_is_mapped_already_is_held_to_the_same_rules():
    """Identities, required fields and the schema's check, without the mapping; what passed once passes again unchanged."""
    rules = ExperienceEvents(Given({}), MappingSettings(), clock=lambda: NOW).unmapped()
    passed = build().xdm
    again = rules.build(json.loads(json.dumps(passed)))
    assert (again.xdm, again.rejection) == (passed, None)
    assert rules.build({**passed, "timestamp": "yesterday"}).rejection.code == "timestamp_invalid"
    assert rules.build({key: one for key, one in passed.items() if key != "identityMap"}).rejection is not None


def test_a_schema_refuses_what_is_mapped_already_too():
    """An event that the schema in use does not take is not sent once more."""

    class Refusing:
        def check(self, xdm):
            return xdm, (), [EventFinding("#/campaignId", "xdm_type", "expected text")]

    rules = ExperienceEvents(Given({}), MappingSettings(), Refusing(), clock=lambda: NOW).unmapped()
    assert rules.build(dict(GOOD)).rejection.code == "xdm_type"
