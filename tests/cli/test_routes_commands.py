"""Commands where the settings have several routes: reading ones tell of all, writing ones ask which."""

from __future__ import annotations

import json
import os

import pytest
from json_output import json_of
from prometheus_client import generate_latest
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.cli.status_report import _routes, _samples
from bridge.telemetry.metrics import NO_ROUTE, Metrics


@pytest.fixture(autouse=True)
def two_routes(monkeypatch, tmp_path) -> None:
    """Two routes that differ in their tenant, and nothing that listens anywhere."""
    for name in os.environ:
        if name.upper().startswith("BRIDGE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bridge.toml").write_text(
        "[kafka]\nbootstrap_servers = ['127.0.0.1:9']\nrequest_timeout_seconds = 0.2\n"
        "[routes.eu.mapping]\ntenant = '_eu'\n[routes.us.mapping]\ntenant = '_us'\n",
        encoding="utf-8",
    )


def _run(*words: str):
    return CliRunner().invoke(app, words)


def test_routes_are_listed() -> None:
    """Name, path, topics, group and destination of each, as JSON and as a table."""
    told = _run("routes", "--json")
    assert told.exit_code == 0, told.output
    eu, us = json_of(told)
    assert (eu["name"], eu["source"], eu["destination"], eu["path"]) == (
        "eu",
        "moengage",
        "aep",
        "/moengage/streams/eu",
    )
    assert (us["topic"], us["dead_letter_topic"], us["group"]) == ("bridge.us", "bridge.us.dead-letters", "bridge-us")
    table = _run("routes").stdout
    assert "bridge.eu.dead-letters" in table
    assert "/moengage/streams/us" in table


def test_without_routes_the_one_is_listed(tmp_path) -> None:
    """The top level is a route too, by the path that it always had."""
    (tmp_path / "bridge.toml").unlink()
    (one,) = json_of(_run("routes", "--json"))
    assert (one["name"], one["topic"]) == ("default", "moengage.events")
    assert one["path"] == "/moengage/streams"


@pytest.mark.parametrize(
    "words",
    [["deadletters", "replay"], ["replay", "--since", "2h"], ["backfill", "-"], ["deadletters", "show", "0/1"]],
    ids=" ".join,
)
def test_a_command_that_wants_one_asks_which(words) -> None:
    """Exit 2, and the names that could be meant; also for one that is none."""
    told = _run(*words)
    assert told.exit_code == 2
    assert "eu, us" in told.output
    told = _run(*words, "--route", "xx")
    assert told.exit_code == 2
    assert "eu, us" in told.output


@pytest.mark.parametrize("words", [["worker"], ["check"], ["deadletters", "list"]], ids=" ".join)
def test_a_route_that_does_not_exist_is_a_usage_error(words) -> None:
    """Exit 2 with the names that there are."""
    told = _run(*words, "--route", "xx")
    assert told.exit_code == 2
    assert "eu, us" in told.output


@pytest.mark.parametrize(("given", "meant"), [("ue", None), ("EU", "eu"), ("uss", "us"), ("zzz", None), ("", None)])
def test_a_name_that_is_nearly_one_is_suggested(given, meant) -> None:
    """As it stands in a variable it is no name of a route, but near to one."""
    told = " ".join(_run("worker", "--route", given).output.replace("\u2502", " ").split())
    assert "there is no such route" in told
    assert ("did you mean" in told) is (meant is not None)
    assert meant is None or f"did you mean {meant}?" in told


@pytest.mark.parametrize(
    "words",
    [
        ["worker"],
        ["check"],
        ["status"],
        ["deadletters", "list"],
        ["mapping", "lint"],
        ["setup", "plan"],
        ["sync", "plan"],
    ],
    ids=" ".join,
)
def test_two_routes_are_not_one(words) -> None:
    """The first of two would be forgotten without a word: exit 2, whichever way they are written."""
    for given in (["--route", "eu", "--route", "us"], ["--route=eu", "--route", "us"], ["--route=eu", "--route=eu"]):
        told = _run(*words, *given)
        assert told.exit_code == 2
        assert "give it once" in told.output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["receiver"], "all routes"),
        (["routes"], "lists all"),
        (["demo"], "--routes"),
        (["mapping", "functions"], "no route"),
    ],
    ids=str,
)
def test_commands_about_no_single_route_say_why(words, why) -> None:
    """Exit 2, with what to do instead."""
    for given in (["--route", "eu"], ["--route=eu"]):
        told = _run(*words, *given)
        assert told.exit_code == 2
        assert why in " ".join(told.output.replace("\u2502", " ").split())


@pytest.mark.clock
def test_check_looks_at_every_route(tmp_path) -> None:
    """Each check names its route, and what is to be done names the route's own variables."""
    told = _run("check", "--json")
    found = json_of(told, exit_code=1)
    assert [each["route"] for each in found if each["name"] == "settings"] == ["eu", "us"]
    words = " ".join(each["found"] + each["todo"] for each in found if each["route"] == "us")
    assert "BRIDGE_ROUTES__US__AEP__ENDPOINT" in words
    assert "BRIDGE_ROUTES__EU" not in words
    alone = json_of(_run("check", "--json", "--route", "us"), exit_code=1)
    assert {each["route"] for each in alone} == {"us"}


def test_a_mapping_is_tried_with_the_settings_of_a_route(tmp_path) -> None:
    """Routes that map differently: the command asks which, and takes that route's tenant."""
    (tmp_path / "mapping.csv").write_text(
        "source_type,source,destination\nATTRIBUTE,event_uuid,_id\nATTRIBUTE,event_name,{tenant}.name\n"
    )
    event = json.dumps({"event_uuid": "1", "event_name": "n", "event_code": "n", "uid": "u"})
    told = _run("mapping", "preview", "mapping.csv", "--event", event, "--json")
    assert told.exit_code == 2
    assert "eu, us" in told.output
    told = _run("mapping", "preview", "mapping.csv", "--event", event, "--json", "--route", "us")
    assert '"_us"' in told.stdout


def test_status_tells_routes_apart() -> None:
    """By the label of the samples; what belongs to no route is none."""
    text = b"".join(generate_latest(Metrics(name).registry) for name in ("us", "eu"))
    text += generate_latest(Metrics(NO_ROUTE).registry)
    assert _routes(_samples(text.decode())) == ["eu", "us"]
