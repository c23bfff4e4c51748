"""Several routes from one set of settings: what each inherits, what is its own, and what is refused by name."""

from __future__ import annotations

import pytest

from bridge.model.errors import SettingsError
from bridge.settings import load_deployment, load_settings

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def toml(tmp_path):
    """Writes bridge.toml."""
    return lambda text: (tmp_path / "bridge.toml").write_text(text, encoding="utf-8")


def _routes():
    return {route.name: route for route in load_deployment().routes}


def test_without_routes_the_top_level_is_the_route_default(monkeypatch) -> None:
    """Everything that ran before runs unchanged: one route, made of the top-level sections."""
    monkeypatch.setenv("BRIDGE_KAFKA__TOPIC", "mine")
    deployment = load_deployment()
    (route,) = deployment.routes
    assert not deployment.declared
    assert (route.name, route.source, route.destination) == ("default", "moengage", "aep")
    assert route.settings == load_settings()
    assert route.settings.kafka.topic == "mine"
    assert route.named("BRIDGE_AEP__ENDPOINT is not set") == "BRIDGE_AEP__ENDPOINT is not set"


def test_a_route_inherits_key_by_key_but_for_its_topics_and_group(toml) -> None:
    """What a route does not set is the top level's, or the default; topics and group come from its name."""
    toml(
        "[kafka]\nbootstrap_servers = ['a:1']\ngroup = 'old'\ndead_letter_topic = 'old.dead'\n[aep]\nsandbox = 'prod'\n"
        "org_id = 'A@AdobeOrg'\n[routes.eu-west.aep]\nsandbox = 'eu'\n[routes.us]\n[routes.us.kafka]\ntopic = 'mine'\n"
    )
    routes = _routes()
    eu, us = routes["eu-west"].settings, routes["us"].settings
    assert (eu.aep.sandbox, us.aep.sandbox) == ("eu", "prod")
    assert {eu.aep.org_id, us.aep.org_id} == {"A@AdobeOrg"}
    assert eu.kafka.bootstrap_servers == us.kafka.bootstrap_servers == ("a:1",)
    assert (eu.kafka.topic, eu.kafka.dead_letter_topic, eu.kafka.group) == (
        "bridge.eu-west",
        "bridge.eu-west.dead-letters",
        "bridge-eu-west",
    )
    assert (us.kafka.topic, us.kafka.dead_letter_topic, us.kafka.group) == (
        "mine",
        "bridge.us.dead-letters",
        "bridge-us",
    )


@pytest.mark.parametrize(
    ("section", "inherited", "own"),
    [
        ("oauth", "client_secret_file", "client_secret"),
        ("oauth", "client_secret", "client_secret_file"),
        ("moengage", "api_key_file", "api_key"),
        ("moengage", "api_key", "api_key_file"),
        ("moengage", "base_url", "data_center"),
        ("moengage", "data_center", "base_url"),
        ("warehouse", "url", "url_file"),
        ("warehouse", "url_file", "url"),
        ("warehouse", "query", "table"),
        ("warehouse", "table", "query"),
    ],
)
def test_another_way_to_say_it_is_not_inherited(toml, section, inherited, own) -> None:
    """What a route sets itself holds for it, also where the top level says the same by another key, which would win or clash."""
    values = {"data_center": "2", "base_url": "http://127.0.0.1:1", "table": "people", "query": "SELECT 1"}
    values |= {key: f"sqlite:///{key}" for key in ("url", "url_file")}
    toml(
        f"[{section}]\n{inherited} = '{values.get(inherited, 'of-all')}'\n"
        f"[routes.a.{section}]\n{own} = '{values.get(own, 'its-own')}'\n[routes.b]\n"
    )
    routes = _routes()
    mine, other = (getattr(routes[name].settings, section) for name in ("a", "b"))
    assert (getattr(mine, inherited), getattr(other, own)) == (None, None)
    assert getattr(mine, own) is not None
    assert getattr(other, inherited) is not None
    assert f"BRIDGE_ROUTES__A__{section}__{inherited}".upper() == routes["a"].own_name(
        f"BRIDGE_{section}__{inherited}".upper()
    )


def test_sections_in_large_letters_are_those_in_small_ones(toml) -> None:
    """A route's own names are not lost, and inheritance is key by key, however a section is written."""
    toml(
        "[KAFKA]\nbootstrap_servers = ['a:1']\ngroup = 'old'\n[kafka]\ncreate_topics = true\n"
        "[routes.a]\nSource = 'adobe'\n[routes.a.Kafka]\ntopic = 'mine'\n[routes.a.kafka]\npartitions = 3\n[routes.default]\n"
    )
    routes = _routes()
    kafka = routes["a"].settings.kafka
    assert routes["a"].source == "adobe"
    assert (kafka.topic, kafka.dead_letter_topic, kafka.group) == ("mine", "bridge.a.dead-letters", "bridge-a")
    assert (kafka.bootstrap_servers, kafka.create_topics, kafka.partitions) == (("a:1",), True, 3)
    assert routes["default"].settings.kafka.group == "old"


def test_the_old_stream_lives_on_as_default(toml) -> None:
    """An empty [routes.default] keeps topics and group of the top level, or the names they always had."""
    toml("[kafka]\ntopic = 'mine'\n[aep]\nendpoint = 'https://x/collection/1'\n[routes.default]\n[routes.b]\n")
    routes = _routes()
    kafka = routes["default"].settings.kafka
    assert (kafka.topic, kafka.dead_letter_topic, kafka.group) == (
        "mine",
        "moengage.events.dead-letters",
        "moengage-aep-bridge",
    )
    assert routes["b"].settings.aep.endpoint == "https://x/collection/1"
    assert routes["b"].settings.kafka.topic == "bridge.b"


def test_routes_come_as_they_are_written(toml, monkeypatch) -> None:
    """A secret of one in the environment does not bring it forward; those of the environment alone come last."""
    monkeypatch.setenv("BRIDGE_ROUTES__SECOND__RECEIVER__PASSWORD", "1")
    monkeypatch.setenv("BRIDGE_ROUTES__ELSEWHERE__SOURCE", "moengage")
    toml("[routes.third]\n[routes.first]\n[routes.second]\n")
    assert list(_routes()) == ["third", "first", "second", "elsewhere"]


@pytest.mark.parametrize("key", ["kafka.topic", "aep.endpoint"])
def test_a_stream_that_no_route_carries_on_stops_the_start(toml, key) -> None:
    """Once there are routes a top-level topic or endpoint would be forgotten without a word."""
    section, name = key.split(".")
    value = "https://x/collection/1" if name == "endpoint" else "mine"
    toml(f"[{section}]\n{name} = '{value}'\n[routes.b]\n")
    with pytest.raises(SettingsError, match=rf"BRIDGE_{section}__{name}".upper()) as raised:
        load_deployment()
    assert "[routes.default]" in str(raised.value)


def test_strength_is_by_key_and_a_routes_own_word_wins(toml, monkeypatch, tmp_path) -> None:
    """Environment, .env, bridge.toml in this order for a route's keys as for others; the top level is behind all three."""
    toml("[routes.a.aep]\nsandbox = 'toml'\nflow_id = 'toml'\ndataset_id = 'toml'\n")
    (tmp_path / ".env").write_text("BRIDGE_ROUTES__A__AEP__FLOW_ID=dot\nBRIDGE_ROUTES__A__AEP__SANDBOX=dot\n")
    monkeypatch.setenv("bridge_routes__a__aep__sandbox", "environment")
    monkeypatch.setenv("BRIDGE_AEP__DATASET_ID", "top")
    monkeypatch.setenv("BRIDGE_AEP__LINGER_SECONDS", "2")
    aep = _routes()["a"].settings.aep
    assert (aep.sandbox, aep.flow_id, aep.dataset_id, aep.linger_seconds) == ("environment", "dot", "toml", 2)


@pytest.mark.parametrize("name", ["adobe", "kafka", "routes", "default", "7"])
def test_digits_stay_text_whatever_the_route_is_called(monkeypatch, name) -> None:
    """A password of digits alone, or that looks like JSON, is that text, also in a route called like a section."""
    variable = f"BRIDGE_ROUTES__{name.upper()}__"
    for key, value in {"AUTH": "basic", "USERNAME": "00", "PASSWORD": "0012345678"}.items():
        monkeypatch.setenv(f"{variable}RECEIVER__{key}", value)
    monkeypatch.setenv(f"{variable}OAUTH__CLIENT_SECRET", "[1]")
    monkeypatch.setenv(f"{variable}MAPPING__PLACEHOLDERS", '{"brand": "7"}')
    settings = _routes()[name].settings
    assert settings.receiver.password.get_secret_value() == "0012345678"
    assert settings.receiver.username == "00"
    assert settings.oauth.client_secret.get_secret_value() == "[1]"
    assert settings.mapping.placeholders == {"brand": "7"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[routes.a.telemetry]\nport = 1", ["BRIDGE_ROUTES__A__TELEMETRY__PORT", "set BRIDGE_TELEMETRY__PORT"]),
        ("[routes.a.worker]\nprocesses = 2", ["BRIDGE_ROUTES__A__WORKER__PROCESSES", "BRIDGE_WORKER__PROCESSES"]),
        ("[routes.a.receiver]\nport = 1", ["BRIDGE_ROUTES__A__RECEIVER__PORT: it holds for the whole deployment"]),
        ("[routes.a.receiver]\ntls_certfile = 'x'", ["BRIDGE_ROUTES__A__RECEIVER__TLS_CERTFILE"]),
        ("[routes.a.receiver]\nmax_connections = 1", ["BRIDGE_ROUTES__A__RECEIVER__MAX_CONNECTIONS"]),
        ("[routes.a.kafka]\ntoppic = 'x'", ["BRIDGE_ROUTES__A__KAFKA__TOPPIC", "mean BRIDGE_ROUTES__A__KAFKA__TOPIC?"]),
        ("[routes.a.kafak]\ntopic = 'x'", ["BRIDGE_ROUTES__A__KAFAK__TOPIC", "mean BRIDGE_ROUTES__A__KAFKA__TOPIC?"]),
        (
            "[routes.a]\nsorce = 'x'",
            ["BRIDGE_ROUTES__A__SORCE: no such setting; did you mean BRIDGE_ROUTES__A__SOURCE?"],
        ),
        ("[routes.a]\nsource = 'x'", ["BRIDGE_ROUTES__A__SOURCE: expected one of moengage, adobe"]),
        (
            "[routes.a]\nsource = 'adobe'\ndestination = 'aep'",
            ["BRIDGE_ROUTES__A__SOURCE: adobe to aep is not available in this version"],
        ),
        ("[routes.a.aep]\nconcurrency = 0", ["BRIDGE_ROUTES__A__AEP__CONCURRENCY: Input should be greater"]),
        ("[aep]\nconcurrency = 0\n[routes.a]\n[routes.b]", ["BRIDGE_AEP__CONCURRENCY: Input should be greater"]),
        ("[aep]\nconcurency = 3\n[routes.a]\n[routes.b]", ["BRIDGE_AEP__CONCURENCY: no such setting; did you mean"]),
        (
            "[kafka]\nsecurity_protocol = 'SASL_SSL'\n[routes.a]",
            ["BRIDGE_KAFKA__SECURITY_PROTOCOL=SASL_SSL needs BRIDGE_ROUTES__A__KAFKA__SASL_USERNAME"],
        ),
        (
            "[routes.a.kafka]\ntopic = 'x'\n[routes.b.kafka]\ntopic = 'x'",
            ["BRIDGE_ROUTES__B__KAFKA__TOPIC and BRIDGE_ROUTES__A__KAFKA__TOPIC are both x"],
        ),
        (
            "[routes.a.kafka]\ntopic = 'x'\n[routes.b.kafka]\ndead_letter_topic = 'x'",
            ["BRIDGE_ROUTES__B__KAFKA__DEAD_LETTER_TOPIC and BRIDGE_ROUTES__A__KAFKA__TOPIC are both x"],
        ),
        ("[routes.a]\n[routes.b.kafka]\ngroup = 'bridge-a'", ["are both bridge-a", "consumer group of its own"]),
        (
            "[routes.a.kafka]\nstate_topic = 'bridge.b'\n[routes.b]",
            ["BRIDGE_ROUTES__B__KAFKA__TOPIC is bridge.b", "state of its own (BRIDGE_ROUTES__A__KAFKA__STATE_TOPIC)"],
        ),
        (
            "[routes.a.kafka]\ndead_letter_topic = 'bridge.state.b'\n[routes.b]",
            ["BRIDGE_ROUTES__A__KAFKA__DEAD_LETTER_TOPIC is bridge.state.b", "BRIDGE_ROUTES__B__KAFKA__STATE_TOPIC"],
        ),
        ("[routes.a.kafka]\ntopic = 'bridge.state.a'", ["BRIDGE_ROUTES__A__KAFKA__TOPIC is bridge.state.a"]),
        ("[routes.state]", ["BRIDGE_ROUTES__STATE__KAFKA__STATE_TOPIC must be another"]),
        (
            "[receiver]\nauth = 'oauth'\nclient_id = 'm'\nclient_secret = 'secret-of-a-test'\n[routes.default]\n[routes.token]",
            ["[routes.token]: ", "fetches its token", "name the route otherwise"],
        ),
        ("[routes.a.nonsense]", ["BRIDGE_ROUTES__A__NONSENSE: no such setting"]),
        ("[routes.a.kafka]\nTopic = 'x'", ["[routes.a.kafka] in bridge.toml", "small letters: Topic as topic"]),
        ("[kafka]\nTopic = 'x'", ["[kafka] in bridge.toml", "small letters: Topic as topic"]),
        ("[KAFKA]\ntopic = 'x'\n[routes.b]", ["BRIDGE_KAFKA__TOPIC is set", "[routes.default]"]),
        ("[Routes.a]", ["[Routes] in bridge.toml is written in small letters: [routes.NAME]"]),
        ("[routes.a_b]", ["[routes.a_b]", "not a name of a route"]),
        ("[routes.A]", ["not a name of a route"]),
        (f"[routes.{'a' * 41}]", ["at most 40"]),
        ("[routes]\na = 3", ["[routes.a] in bridge.toml must be a section"]),
        ("routes = 3", ["[routes] in bridge.toml must be a section"]),
        ("[routes.a]\nkafka = 3", ["[routes.a.kafka] in bridge.toml must be a section of keys"]),
        ("kafka = 3\n[routes.a]", ["[kafka] in bridge.toml must be a section of keys"]),
    ],
)
def test_what_is_wrong_is_told_by_the_name_it_was_set_by(toml, text, expected) -> None:
    """One SettingsError, which names the variable of the route, or of the top level where that is where it stands."""
    toml(text)
    with pytest.raises(SettingsError) as raised:
        load_deployment()
    for words in expected:
        assert words in str(raised.value)
    lines = str(raised.value).splitlines()
    assert len(lines) == len(set(lines))


def test_a_route_may_be_called_token_where_nobody_fetches_any(toml) -> None:
    """Its path is its own then."""
    toml("[routes.default]\n[routes.token]")
    assert [route.name for route in load_deployment().routes] == ["default", "token"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BRIDGE_ROUTES__A__KAFKA__TOPPIC", "did you mean BRIDGE_ROUTES__A__KAFKA__TOPIC?"),
        ("BRIDGE_ROUTES__A__KAFKA", "no such setting"),
        ("BRIDGE_ROUTES__A", "no such setting"),
        ("BRIDGE_ROUTES", "BRIDGE_ROUTES: no such setting"),
        ("BRIDGE_ROUTES__", "not a name of a route"),
        ("BRIDGE_ROUTES___A__SOURCE", "not a name of a route"),
        ("BRIDGE_ROUTES__A__SOURCE__X", "no such setting"),
        ("BRIDGE_ROUTES__A__TELEMETRY__PORT", "set BRIDGE_TELEMETRY__PORT"),
    ],
)
def test_variables_of_routes_that_are_none(monkeypatch, name, expected) -> None:
    """A misspelt variable of a route stops the start, as any other does."""
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError) as raised:
        load_deployment()
    assert expected in str(raised.value)


def test_routes_to_one_organisation_are_counted(toml) -> None:
    """Rate limits are an organisation's: routes to it share them, others do not."""
    toml("[aep]\norg_id = 'A@AdobeOrg'\n[routes.a]\n[routes.b]\n[routes.c.aep]\norg_id = 'C@AdobeOrg'\n")
    deployment = load_deployment()
    assert [deployment.sharing_organisation(route) for route in deployment.routes] == [2, 2, 1]


def test_what_a_part_says_of_a_setting_is_told_by_its_route(toml) -> None:
    """Words of the parts below name a setting as the top level does; for a route they are its own variable's."""
    toml("[aep]\norg_id = 'A@AdobeOrg'\n[routes.eu-west]\n[routes.default]\n")
    routes = _routes()
    words = "BRIDGE_AEP__ENDPOINT is not set; BRIDGE_AEP__ORG_ID; BRIDGE_RECEIVER__PORT"
    assert routes["eu-west"].named(words) == (
        "BRIDGE_ROUTES__EU_WEST__AEP__ENDPOINT is not set; BRIDGE_AEP__ORG_ID; BRIDGE_RECEIVER__PORT"
    )
    assert routes["default"].named(words) == words


def test_several_routes_are_not_one(toml) -> None:
    """What knows no routes refuses to choose."""
    toml("[routes.a]\n[routes.b]\n")
    with pytest.raises(SettingsError, match="several routes: a, b"):
        load_settings()
