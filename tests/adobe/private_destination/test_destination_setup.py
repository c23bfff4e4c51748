"""setup plan and apply of a route from Adobe: adopted, interrupted, lost answers, conflicts."""

from __future__ import annotations

import pytest
from destination_route import (
    OAUTH,
    applied_destination,
    authored,
    planned_destination,
    write_route,
)
from setting_up import Heard, Killed, LeftBehind, append, changes, kill_after, put, text_of

from bridge.adobe.provisioning.applying import Conflict
from bridge.adobe.provisioning.steps import Action, Kind
from bridge.adobe.refusals import PlatformError
from bridge.emulators.adobe import Emulator
from bridge.model.errors import BridgeError, SettingsError


@pytest.fixture
async def adobe(tmp_path, monkeypatch):
    """An empty emulated organisation, and a folder with the route."""
    monkeypatch.chdir(tmp_path)
    async with Emulator() as emulator:
        write_route(tmp_path, emulator)
        yield emulator


def _objects(adobe, kind):
    return adobe.platform.sandboxes["prod"].authored[kind]


async def test_it_is_set_up_and_a_second_apply_changes_nothing(adobe):
    """One server and one destination, whose server is that one; then nothing is left to do."""
    plan = (await planned_destination()).plan
    assert [(step.kind, step.action) for step in plan.steps] == [
        (Kind.SERVER, Action.CREATE),
        (Kind.DESTINATION, Action.CREATE),
    ]
    assert plan.exit_code == 3
    assert changes(adobe) == []
    done = await applied_destination()
    assert authored(adobe) == (1, 1)
    (server,), (destination,) = _objects(adobe, "destination-servers"), _objects(adobe, "destinations")
    assert done.found == {"destination_server_id": server, "destination_id": destination}
    held = _objects(adobe, "destinations")[destination]
    assert held["destinationDelivery"][0]["destinationServerId"] == server
    assert held["customerDataFields"][0]["default"] == "bridge.example.com"
    assert "crmId" in held["identityNamespaces"]
    url = _objects(adobe, "destination-servers")[server]["urlBasedDestination"]["url"]["value"]
    assert url == "https://{{customerData.bridgeHost}}/adobe/crm"
    sent = changes(adobe)
    assert (await planned_destination()).plan.exit_code == 0
    assert (await applied_destination()).steps == 0
    assert changes(adobe) == sent


@pytest.mark.parametrize("heard", [True, False], ids=["answer heard", "answer unheard"])
async def test_killed_after_any_request_it_is_completed_without_a_duplicate(adobe, monkeypatch, heard):
    """Every request in turn is the last of a run; the next run ends with one server and one destination."""
    left = LeftBehind()
    count, died = 0, True
    while died:
        count += 1
        left.empty(adobe)
        with monkeypatch.context() as context:
            kill_after(context, count, heard=heard)
            try:
                await applied_destination()
            except Killed:
                died = True
            else:
                died = False
        if not left.is_new(adobe):
            continue
        await applied_destination()
        assert authored(adobe) == (1, 1), f"killed after request {count}"
        assert (await planned_destination()).plan.exit_code == 0
    assert count > 6
    assert left.times_new > 2


@pytest.mark.parametrize("trouble", ["reset", "fail"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("path", ["/destination-servers", "/destinations"])
async def test_a_lost_answer_makes_no_duplicate(adobe, path, when, trouble):
    """The connection breaks, or the gateway answers 503, before or after the write took effect: looked for, then repeated if absent."""
    adobe.control(platform={trouble: {"method": "POST", "path": path, "when": when, "count": 1}})
    heard = Heard()
    await applied_destination(heard=heard)
    assert authored(adobe) == (1, 1)
    assert sum(1 for word, _ in heard.said if word == "unsure") == 1


async def test_a_lost_answer_to_a_change_is_looked_at(adobe):
    """A PUT that took effect is not sent again."""
    await applied_destination()
    for one in _objects(adobe, "destination-servers").values():
        one["httpTemplate"]["requestBody"]["value"] = "{}"
    adobe.control(platform={"fail": {"method": "PUT", "when": "after", "count": 1}})
    await applied_destination()
    assert [method for method, path, _ in changes(adobe) if method == "PUT"] == ["PUT"]
    assert (await planned_destination()).plan.exit_code == 0


@pytest.mark.parametrize(("kind", "named"), [("destination-servers", Kind.SERVER), ("destinations", Kind.DESTINATION)])
async def test_two_of_one_name_stop_it(adobe, kind, named):
    """It does not choose: nothing is sent, and both ids are named."""
    await applied_destination()
    held = _objects(adobe, kind)
    ((first, one),) = held.items()
    held["another"] = {**one, "instanceId": "another"}
    if named is Kind.SERVER:
        _objects(adobe, "destinations").clear()
    sent = changes(adobe)
    (step,) = (await planned_destination()).plan.conflicts
    assert step.kind is named
    assert first in step.todo
    assert "another" in step.todo
    with pytest.raises(Conflict, match="there are 2"):
        await applied_destination()
    assert changes(adobe) == sent


async def test_the_destination_decides_between_two_servers(adobe):
    """The one that it posts to is meant, and stays."""
    await applied_destination()
    held = _objects(adobe, "destination-servers")
    ((first, one),) = [*held.items()]
    held["another"] = {**one, "instanceId": "another"}
    plan = (await planned_destination()).plan
    assert plan.exit_code == 0
    assert plan.steps[0].identifier == first


async def test_what_others_have_added_stays(adobe):
    """A field of their own, an icon, a description of the screen: no difference, and kept when something else is changed."""
    await applied_destination()
    (held,) = _objects(adobe, "destinations").values()
    held["customerDataFields"].insert(0, {"name": "region", "type": "string"})
    held["uiAttributes"]["iconUrl"] = "https://example.com/icon.svg"
    assert (await planned_destination()).plan.exit_code == 0
    held["aggregation"]["bestEffortAggregation"]["maxUsersPerRequest"] = 1
    (step,) = (await planned_destination()).plan.open
    assert [change.path for change in step.changes] == ["aggregation.bestEffortAggregation.maxUsersPerRequest"]
    await applied_destination()
    (held,) = _objects(adobe, "destinations").values()
    assert held["customerDataFields"][0]["name"] == "region"
    assert held["uiAttributes"]["iconUrl"].endswith("icon.svg")
    assert held["aggregation"]["bestEffortAggregation"]["maxUsersPerRequest"] == 50


async def test_a_new_host_is_a_change_of_the_destination(adobe):
    """The address of the receiver is told where it is the default of the field."""
    await applied_destination()
    put("bridge.toml", text_of("bridge.toml").replace("bridge.example.com", "events.example.com:8443/in"))
    changed = {step.kind: [one.path for one in step.changes] for step in (await planned_destination()).plan.open}
    assert changed[Kind.SERVER] == ["urlBasedDestination.url.value"]
    assert "customerDataFields[bridgeHost].default" in changed[Kind.DESTINATION]
    await applied_destination()
    assert (await planned_destination()).plan.exit_code == 0
    assert authored(adobe) == (1, 1)


@pytest.mark.parametrize(
    "oddity", [{"authoring_read": "items"}, {"authoring_secrets": "masked"}, {"template_escaping": "text"}]
)
async def test_either_reading_of_the_documents_will_do(adobe, tmp_path, oddity):
    """What Adobe leaves open is open here, too; a secret that comes back masked is no difference."""
    write_route(tmp_path, adobe, OAUTH)
    adobe.control(platform={"oddities": oddity})
    await applied_destination()
    assert authored(adobe) == (1, 1)
    assert (await planned_destination()).plan.exit_code == 0


async def test_oauth_tells_adobe_where_to_fetch_a_token(adobe, tmp_path):
    """Client credentials and the receiver's token endpoint; another secret is a change that shows neither."""
    write_route(tmp_path, adobe, OAUTH)
    await applied_destination()
    (held,) = _objects(adobe, "destinations").values()
    (configured,) = held["customerAuthenticationConfigurations"]
    assert configured["grant"] == "OAUTH2_CLIENT_CREDENTIALS"
    assert configured["accessTokenUrl"] == "https://bridge.example.com/adobe/crm/token"
    put("bridge.toml", text_of("bridge.toml").replace("a-secret-that", "a-newer-secret-that"))
    (step,) = (await planned_destination()).plan.open
    assert "secret-that" not in str(step.changes)
    await applied_destination()
    assert (await planned_destination()).plan.exit_code == 0


async def test_routes_keep_apart(adobe):
    """Each has a destination of its own, without a name in the settings."""
    other = text_of("bridge.toml").replace("routes.crm", "routes.shop")
    put("bridge.toml", text_of("bridge.toml") + other)
    await applied_destination("crm")
    await applied_destination("shop")
    assert authored(adobe) == (2, 2)
    assert (await planned_destination("crm")).plan.exit_code == 0


async def test_one_made_by_hand_is_adopted_by_its_name(adobe):
    """BRIDGE_SETUP__DESTINATION_NAME names it: nothing is created."""
    await applied_destination()
    for kind in ("destination-servers", "destinations"):
        for one in _objects(adobe, kind).values():
            one["name"] = "Made by hand"
    append("BRIDGE_SETUP__DESTINATION_NAME=Made by hand\n")
    assert (await planned_destination()).plan.exit_code == 0


async def test_the_sixth_destination_is_told_beforehand(adobe):
    """The plan notes Adobe's usual limit, and Adobe's refusal is told."""
    await applied_destination()
    held = _objects(adobe, "destinations")
    ((_, one),) = [*held.items()]
    held.update({str(number): {**one, "instanceId": str(number), "name": f"N{number}"} for number in range(4)})
    append("BRIDGE_SETUP__DESTINATION_NAME=Another\n")
    step = (await planned_destination()).plan.steps[1]
    assert "5 private destinations" in step.note
    with pytest.raises(PlatformError, match="5 private destinations"):
        await applied_destination()


async def test_the_missing_permission_is_named(adobe):
    """403 names Destination Authoring, before anything happens."""
    adobe.control(platform={"permissions": ["manage-schemas"]})
    with pytest.raises(PlatformError) as caught:
        await planned_destination()
    assert "Destination Authoring" in caught.value.hint


async def test_a_service_that_never_does_it_is_given_up(adobe):
    """A request that is lost each time is sent a few times and then told, not for ever."""
    adobe.control(platform={"reset": {"method": "POST", "path": "/destinations", "when": "before", "count": 100}})
    with pytest.raises(BridgeError, match="sent 4 times"):
        await applied_destination()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('public_url = "https://bridge.example.com"', "", "PUBLIC_URL"),
        ('header_name = "Authorization"', 'header_name = "X-Key"', "AUTH"),
        ("Bearer ", "", "AUTH"),
    ],
)
async def test_settings_that_adobe_cannot_use_are_named(adobe, old, new, named):
    """No address, or a credential that no private destination can send."""
    put("bridge.toml", text_of("bridge.toml").replace(old, new))
    with pytest.raises(SettingsError) as caught:
        await planned_destination()
    assert f"BRIDGE_RECEIVER__{named}" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["bridge.example.com", "http://bridge.example.com", "https://b.example.com/?x=1", "https://u:p@b.example.com"],
)
async def test_an_address_that_cannot_be_is_refused(adobe, url):
    """Adobe posts to https only; credentials do not belong there."""
    put("bridge.toml", text_of("bridge.toml").replace("https://bridge.example.com", url))
    with pytest.raises(SettingsError, match=r"(?i)public_url"):
        await planned_destination()
