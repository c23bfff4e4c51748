"""The shipped mapping set of mParticle gives what MoEngage's table (partner guide: outbound user and event forwarding) says."""

import json
import re
from pathlib import Path

import pytest
from mparticle_table import TABLE, commerce_batch

from bridge.model.event import ANY
from bridge.routes.moengage_events import open_moengage_events
from bridge.settings import MappingSettings, MoEngageSettings, MParticleSettings, load_deployment
from bridge.sources.mparticle.decoder import MParticleDecoder

ROOT = Path(__file__).resolve().parents[2]
EVENTS = open_moengage_events(
    MappingSettings(path=ROOT / "mappings" / "mparticle_events.csv"), MoEngageSettings(objects=True)
)
DECODER = MParticleDecoder(MParticleSettings())
WHO = {"user_identities": [{"identity_type": "customer_id", "identity": "C-100"}], "mpid": -5}


def elements(batch):
    """The elements of a batch, none refused and nothing to be said of any."""
    found = []
    for event in DECODER.events_of(batch, ANY):
        built = EVENTS.build(event)
        assert built.rejection is None, built.rejection
        assert not built.findings, built.findings
        assert not built.warnings, built.warnings
        found += built.xdm["elements"]
    return found


@pytest.mark.parametrize("name", TABLE)
def test_each_commerce_event_is_one_event_as_the_table_has_it(name):
    """Named after the product action, promotion or impression, with its products in one array; amounts are text."""
    (element,) = elements(commerce_batch("C-100", TABLE[name]))
    assert (element["type"], element["customer_id"]) == ("event", "C-100")
    assert element["actions"] == [TABLE[name].action]


def test_a_custom_event_keeps_its_name_and_attributes():
    """Event name and attributes as they are, platform and version of the batch."""
    event = {
        "event_type": "custom_event",
        "data": {"event_name": "Video Watched", "custom_attributes": {"length": "12"}},
    }
    where = {"device_info": {"platform": "iOS"}, "application_info": {"application_version": "4.2"}}
    (element,) = elements({**WHO, **where, "events": [event]})
    assert element["actions"] == [
        {"action": "Video Watched", "platform": "iOS", "app_version": "4.2", "attributes": {"length": "12"}}
    ]


def test_a_user_gets_standard_and_own_attributes_and_consent():
    """Reserved attributes and identities become MoEngage's standard ones, the rest custom; a batch without events will do."""
    given = {
        "$FirstName": "Zoë",
        "$lastname": "Ng",
        "$mobile": "+4930",
        "$gender": "F",
        "$Age": 31,
        "$City": "Köln",
        "tier": "gold",
    }
    identities = [*WHO["user_identities"], {"identity_type": "email", "identity": "z@example.com"}]
    consent = {"gdpr": {"marketing": {"consented": True}}, "ccpa": {"data_sale_opt_out": {"consented": False}}}
    batch = {"user_identities": identities, "user_attributes": given, "consent_state": consent}
    assert elements({**batch, "deleted_user_attributes": ["old"]}) == [
        {
            "type": "customer",
            "customer_id": "C-100",
            "attributes": {
                "old": "",
                "tier": "gold",
                "gdpr_marketing": True,
                "ccpa_data_sale_opt_out": False,
                "first_name": "Zoë",
                "last_name": "Ng",
                "mobile": "+4930",
                "email": "z@example.com",
                "gender": "F",
                "age": 31,
                "mp_city": "Köln",
            },
        }
    ]


def test_an_attribute_change_is_an_update_of_the_user():
    """user_attribute_change becomes the attribute's new value, scalar or list."""
    change = {"event_type": "user_attribute_change", "data": {"user_attribute_name": "sizes", "new": ["M", "L"]}}
    assert elements({**WHO, "events": [change]}) == [
        {"type": "customer", "customer_id": "C-100", "attributes": {"sizes": ["M", "L"]}}
    ]


def test_without_the_identity_everything_is_refused():
    """No element of anybody else: a dead letter."""
    batch = {
        "mpid": 5,
        "user_attributes": {"a": 1},
        "events": [{"event_type": "custom_event", "data": {"event_name": "X y"}}],
    }
    for event in DECODER.events_of(batch, ANY):
        assert EVENTS.build(event).rejection is not None


def _block(page, mark):
    return re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)[1]


def test_the_guide_says_what_happens(tmp_path, monkeypatch):
    """The page's settings load, and its batch becomes the elements that it shows."""
    page = (ROOT / "docs" / "mparticle-to-moengage.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bridge.toml").write_text(_block(page, "file: bridge.toml"), encoding="utf-8")
    (route,) = load_deployment().routes
    decoder = MParticleDecoder(route.settings.mparticle)
    made = open_moengage_events(route.settings.mapping, route.settings.moengage)
    found = [
        element
        for event in decoder.events_of(json.loads(_block(page, "batch")), ANY)
        for element in made.build(event).xdm["elements"]
    ]
    assert found == json.loads(_block(page, "elements"))
