"""setup verify of a route from Adobe: the template by Adobe's render call, and the call that posts to a real receiver."""

from __future__ import annotations

from contextlib import asynccontextmanager

import orjson
import pytest
from destination_route import (
    BEARER,
    OAUTH,
    TOKEN,
    applied_destination,
    route_named,
    verified_destination,
    write_route,
)
from memory_store import MemoryStore
from setting_up import put, text_of

from bridge.adobe.private_destination.wanted_destination import TEMPLATE
from bridge.emulators.adobe import Emulator
from bridge.routes.kinds import open_decoder
from bridge.routes.receiving import own_path, paths, posting_of
from bridge.sources.http.endpoint import Receiver
from bridge.sources.http.listener import Listener
from bridge.sources.http.reception import Reception
from bridge.telemetry.metrics import Metrics

NAMES = ["destination", "template", "names", "sample profiles", "test call"]


@pytest.fixture
async def adobe(tmp_path, monkeypatch):
    """An empty emulated organisation, and a folder with the route."""
    monkeypatch.chdir(tmp_path)
    async with Emulator() as emulator:
        write_route(tmp_path, emulator)
        yield emulator


@asynccontextmanager
async def receiving(store, *, token=None):
    """The route's receiver on a port of this machine."""
    route = route_named()
    settings = route.settings.receiver.model_copy(update={"host": "127.0.0.1", "port": 0})
    receiver = Receiver(
        settings, store, Metrics("crm"), posting_of(route), open_decoder(route), path=own_path(route, paths([route]))
    )
    below = {path: receiver for path in paths([route]) if path.startswith(receiver.path)}
    async with Listener(settings, Reception(below, Metrics("none"), [posting_of(route)])) as listener:
        yield f"127.0.0.1:{listener.port}"


def connected(adobe, host, **more):
    """A connection to the destination, as somebody made it in Adobe."""
    (destination,) = adobe.platform.sandboxes["prod"].authored["destinations"]
    connection = {
        "id": "instance-1",
        "destination": destination,
        "customer_data": {"bridgeHost": host},
        "token": TOKEN,
        "identities": {"crm_id": "crmId"},
        "attributes": {"person.name.firstName": "firstName"},
        "audiences": {"11111111-aaaa-4bbb-8ccc-000000000001": 'Cart "abandoners" \\ <&>'},
        **more,
    }
    adobe.control(platform={"connections": [connection]})


def by_name(stations):
    """Stations by name."""
    return {one.name: one for one in stations}


async def test_without_a_connection_the_template_is_verified(adobe):
    """Values, names and Adobe's own samples pass; the test call is told as not tried, which is no failure."""
    await applied_destination()
    stations = await verified_destination()
    assert [one.name for one in stations] == NAMES
    assert [one.ok for one in stations] == [True, True, True, True, None]
    assert "BRIDGE_SETUP__DESTINATION_INSTANCE_ID" in stations[-1].todo


async def test_older_escaping_is_no_trouble(adobe):
    """The same where templates leave quotation marks alone."""
    adobe.control(platform={"oddities": {"template_escaping": "text"}})
    await applied_destination()
    assert [one.ok for one in await verified_destination()] == [True, True, True, True, None]


@pytest.mark.parametrize(
    ("old", "new", "station"),
    [
        (" | raw", "", "template"),
        (' | urlencode }}"{%', ' }}"{%', "names"),
        ("profile | raw", "profile.attributes | raw", "template"),
    ],
)
async def test_a_template_that_spoils_texts_is_found(adobe, monkeypatch, old, new, station):
    """Escaped values, names that are not encoded, a part of the profile missing: the station that shows it fails, and is the last."""
    spoiled = TEMPLATE.replace(old, new)
    assert spoiled != TEMPLATE
    from bridge.adobe.private_destination import destination_verification, wanted_destination

    monkeypatch.setattr(wanted_destination, "TEMPLATE", spoiled)
    monkeypatch.setattr(destination_verification, "TEMPLATE", spoiled)
    named = spoiled.replace(wanted_destination.NAME, "{{ profile.attributes.awkward.value | urlencode }}").replace(
        wanted_destination.NAME.replace(" | urlencode", ""), "{{ profile.attributes.awkward.value }}"
    )
    monkeypatch.setattr(destination_verification, "_NAMED", named)
    await applied_destination()
    *_, last = await verified_destination()
    assert last.name == station
    assert last.ok is False


async def test_what_is_not_set_up_is_told(adobe):
    """Before apply, and after somebody has changed it."""
    (station,) = await verified_destination()
    assert station.ok is False
    assert station.todo == "aep-bridge setup apply"


@pytest.mark.parametrize("receiver", [BEARER, OAUTH], ids=["bearer", "oauth"])
async def test_adobe_posts_and_the_receiver_leaves_it_out(adobe, tmp_path, receiver):
    """The test call goes the whole way, with either credential; nothing of it reaches Kafka."""
    write_route(tmp_path, adobe, receiver)
    store = MemoryStore()
    async with receiving(store) as host:
        put("bridge.toml", text_of("bridge.toml").replace("https://bridge.example.com", f"http://{host}"))
        await applied_destination()
        connected(adobe, host)
        stations = by_name(await verified_destination("instance-1"))
    assert stations["test call"].ok is True, stations["test call"]
    assert f"http://{host}/adobe/crm" in stations["test call"].words
    assert store.events == []
    assert store.dead_letters == []


@pytest.mark.parametrize(
    ("more", "says", "todo"),
    [
        ({"token": "another"}, "answered 401", "--show-secrets"),
        ({"identities": {"crm_id": "email"}}, "maps nothing to crmId", "target identity crmId"),
    ],
    ids=["token", "identity"],
)
async def test_what_was_entered_wrong_in_adobe_is_named(adobe, more, says, todo):
    """The token, or the mapping of the customer id."""
    async with receiving(MemoryStore()) as host:
        put("bridge.toml", text_of("bridge.toml").replace("https://bridge.example.com", f"http://{host}"))
        await applied_destination()
        connected(adobe, host, **more)
        station = by_name(await verified_destination("instance-1"))["test call"]
    assert station.ok is False
    assert says in station.words
    assert todo in station.todo


async def test_a_receiver_that_is_not_there_is_told(adobe):
    """Nobody listens at the host that was entered."""
    put("bridge.toml", text_of("bridge.toml").replace("https://bridge.example.com", "http://127.0.0.1:9"))
    await applied_destination()
    connected(adobe, "127.0.0.1:9")
    station = by_name(await verified_destination("instance-1"))["test call"]
    assert station.ok is False
    assert "answered nothing" in station.words


async def test_a_connection_that_is_not_there_is_told(adobe):
    """The setting that names it."""
    await applied_destination()
    station = by_name(await verified_destination("none"))["test call"]
    assert station.ok is False
    assert "BRIDGE_SETUP__DESTINATION_INSTANCE_ID" in station.todo


async def test_what_a_connection_exports_is_read_with_its_names(adobe):
    """A customer's own profile through the same way: the receiver stores the audience's name as it is in Adobe."""
    from setting_up import client_for

    from bridge.adobe import authoring

    store = MemoryStore()
    async with receiving(store) as host, client_for("crm") as client:
        put("bridge.toml", text_of("bridge.toml").replace("https://bridge.example.com", f"http://{host}"))
        await applied_destination()
        connected(adobe, host)
        profile = {
            "person": {"name": {"firstName": 'Zoë "Z" <O\'Neil>'}},
            "identityMap": {"crm_id": [{"id": "C-100"}]},
            "segmentMembership": {
                "ups": {"11111111-aaaa-4bbb-8ccc-000000000001": {"status": "realized", "lastQualificationTime": 1}}
            },
        }
        await authoring.test_connection(client, "instance-1", [profile])
    (record,) = store.events
    event = orjson.loads(record[1])
    assert event["customer_id"] == "C-100"
    assert event["person"]["name"]["firstName"] == 'Zoë "Z" <O\'Neil>'
    assert [one["name"] for one in event["audiences"]] == ['Cart "abandoners" \\ <&>']
