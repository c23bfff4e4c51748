"""Routes by any name with any values: each has what was set for it, and nothing of another."""

import os
from pathlib import Path
from unittest.mock import patch

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.errors import SettingsError
from bridge.settings import Deployment, every_setting, load_deployment
from bridge.settings.tree import Given, from_variables, merged

names = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True).filter(
    lambda name: len(name) <= 40 and name != "state"
)
secrets = st.text("0123456789", min_size=1, max_size=12) | st.sampled_from(["true", "null", "[1]", '{"a":1}', "1e9"])
values = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@pytest.fixture(scope="module", autouse=True)
def _elsewhere(tmp_path_factory):
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("settings"))
    yield
    os.chdir(before)


def _load(environment):
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("BRIDGE_")}
    with patch.dict(os.environ, kept | environment, clear=True):
        return load_deployment()


def _variable(name, rest):
    return f"BRIDGE_ROUTES__{name.upper().replace('-', '_')}__{rest}"


@settings(max_examples=examples(100), deadline=None)
@given(st.dictionaries(names, secrets, min_size=1, max_size=4), secrets)
def test_a_secret_of_any_form_is_its_routes_text(by_route, top):
    """Whatever a route is called and whatever its secret looks like, it arrives as it is, and the others keep theirs."""
    environment = {_variable(name, "OAUTH__CLIENT_SECRET"): secret for name, secret in by_route.items()}
    environment |= {_variable("unset", "SOURCE"): "moengage", "BRIDGE_OAUTH__CLIENT_SECRET": top}
    routes = {route.name: route.settings for route in _load(environment).routes}
    assert set(routes) == {*by_route, "unset"}
    for name, secret in (by_route | {"unset": by_route.get("unset", top)}).items():
        assert routes[name].oauth.client_secret.get_secret_value() == secret
    assert len({one.kafka.topic for one in routes.values()}) == len(routes)
    assert len({one.kafka.group for one in routes.values()}) == len(routes)


@settings(max_examples=examples(150), deadline=None)
@given(
    st.dictionaries(
        st.tuples(names | values.filter(lambda name: "=" not in name), st.sampled_from(sorted(every_setting()))),
        values,
        max_size=4,
    )
)
def test_any_route_is_settings_or_a_complaint_by_name(given_keys):
    """Nothing but SettingsError comes out, and each of its lines names a variable, a table or a route."""
    environment = {_variable(name, key.removeprefix("BRIDGE_")): value for (name, key), value in given_keys.items()}
    loaded = _complaint(environment)
    assert isinstance(loaded, Deployment) or any(word in loaded for word in ("BRIDGE_", "[routes", "route "))


def _complaint(environment):
    try:
        return _load(environment)
    except SettingsError as error:
        return str(error)


keys = st.sampled_from(["BRIDGE_AEP__SANDBOX", "BRIDGE_ROUTES__A__AEP__SANDBOX", "BRIDGE_ROUTES__A__AEP__FLOW_ID"])


@given(st.lists(st.dictionaries(keys, st.sampled_from("xyz")), min_size=1, max_size=3))
def test_the_strongest_that_says_anything_counts(strongest_first):
    """Merging sources is, key by key, taking the first that has the key."""
    whole = {}
    for source in reversed(strongest_first):
        whole |= source
    assert merged([*map(from_variables, strongest_first)]) == merged([from_variables(whole), Given()])
