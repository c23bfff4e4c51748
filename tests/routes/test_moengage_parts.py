"""Mapping sets towards MoEngage, joined with the destination: transform, reload, golden cases, and what is refused at the start."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.model.errors import BridgeError, SettingsError
from bridge.model.verdicts import Rejected
from bridge.routes.kinds import open_parts
from bridge.routes.moengage_files import failing
from bridge.settings import MappingSettings, MoEngageSettings, load_deployment
from bridge.sources.moengage.decoder import DECODER
from bridge.telemetry.metrics import Metrics

_SET = """\
source,destination,nulls
uid,customer.customer_id,
email_id,customer.attributes.email,clear
to_integer(user_attributes.age),customer.attributes.age,clear
event_name,event.actions[0].action,
"""
_EVENT = {
    "event_name": "Opened",
    "event_code": "O",
    "event_uuid": "u",
    "event_time": 1_790_000_000,
    "event_source": "MOENGAGE",
    "uid": "C-100",
    "email_id": "a@example.com",
    "event_attributes": {},
    "user_attributes": {"age": "41"},
    "device_attributes": {},
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a route ``copy`` to MoEngage."""
    (tmp_path / "set.csv").write_text(_SET, encoding="utf-8")
    (tmp_path / "bridge.toml").write_text(
        "[routes.copy]\nsource = 'moengage'\ndestination = 'moengage'\n[routes.copy.mapping]\npath = 'set.csv'\n"
        "[routes.copy.moengage]\nworkspace_id = 'W'\napi_key = 'k'\ndata_center = 1\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _parts(metrics: Metrics | None = None) -> Any:
    (route,) = load_deployment().routes
    return open_parts(route, metrics or Metrics(route.name))


def _values(metric) -> dict[tuple[str, ...], float]:
    samples = next(iter(metric.collect())).samples
    return {tuple(one.labels.values()): one.value for one in samples if one.name.endswith("_total")}


def test_an_event_becomes_its_elements(place) -> None:
    """The transform gives an element each, and counts what came out null and what MoEngage would make less of."""
    (place / "set.csv").write_text(_SET + "uid,customer.attributes.city,\n", encoding="utf-8")
    metrics = Metrics("copy")
    parts = _parts(metrics)
    items = parts.transform.apply(_EVENT)
    assert [orjson.loads(item)["type"] for item in items] == ["customer", "event"]
    assert orjson.loads(items[0])["attributes"] == {"email": "a@example.com", "age": 41, "city": "C-100"}
    refused = parts.transform.apply({**_EVENT, "uid": "guest"})
    assert isinstance(refused, Rejected)
    parts.transform.forget()
    parts.transform.tally()
    assert not _values(metrics.moengage_findings)
    parts.transform.apply(_EVENT)
    parts.transform.tally()
    assert [value for key, value in _values(metrics.moengage_findings).items() if "not_updated" in key] == [1]


def test_a_row_that_fails_clears_nothing(place) -> None:
    """A null is cleared, a value that cannot be converted leaves the attribute as it is, and is counted by row."""
    metrics = Metrics("copy")
    parts = _parts(metrics)
    assert orjson.loads(parts.transform.apply({**_EVENT, "user_attributes": {"age": None}})[0])["attributes"] == {
        "email": "a@example.com",
        "age": "",
    }
    failed = parts.transform.apply({**_EVENT, "user_attributes": {"age": "old"}})
    assert orjson.loads(failed[0])["attributes"] == {"email": "a@example.com"}
    parts.transform.tally()
    assert sum(_values(metrics.mapping_warnings).values()) == 1


def test_a_changed_set_is_taken_or_refused(place) -> None:
    """A set that compiles is loaded; one that would refuse a recent event says so; one that MoEngage refuses is an error."""
    parts = _parts()
    assert parts.files.files()[0].name == "set.csv"
    (place / "set.csv").write_text(_SET.replace("uid,", "no_such,"), encoding="utf-8")
    candidate = parts.files.load()
    assert candidate.mapping != parts.transform.mapping
    (problem,) = parts.files.newly_refused(parts.transform, candidate, [_EVENT])
    assert "customer_id_missing" in problem
    assert not parts.files.newly_refused(parts.transform, parts.transform, [_EVENT])
    (place / "set.csv").write_text(_SET + "uid,customer.attributes.source,\n", encoding="utf-8")
    with pytest.raises(BridgeError, match="name_refused"):
        parts.files.load()


def test_golden_cases_hold_the_call(place) -> None:
    """``mapping test`` writes the call as what is expected, and fails for another; a worker would refuse such a change."""
    cases = place / "cases"
    cases.mkdir()
    (cases / "one.event.json").write_text(json.dumps(_EVENT), encoding="utf-8")
    (cases / "two.event.json").write_text(json.dumps({**_EVENT, "uid": "guest"}), encoding="utf-8")
    run = CliRunner().invoke
    arguments = ["mapping", "test", "cases", "--mapping", "set.csv", "--route", "copy"]
    assert run(app, [*arguments, "--update"]).exit_code == 0
    written = json.loads((cases / "one.expected.json").read_text(encoding="utf-8"))
    assert [one["type"] for one in written["elements"]] == ["customer", "event"]
    assert json.loads((cases / "two.rejected.json").read_text(encoding="utf-8"))["code"] == "customer_id_refused"
    assert run(app, arguments).exit_code == 0
    settings = MappingSettings(path=place / "set.csv", tests=cases)
    assert failing(settings, MoEngageSettings(), DECODER) == []
    (place / "set.csv").write_text(_SET.replace("attributes.email", "attributes.mail"), encoding="utf-8")
    assert run(app, arguments).exit_code == 1
    assert failing(settings, MoEngageSettings(), DECODER) == ["one"]


def test_plan_compares_two_sets(place) -> None:
    """A set under which events would be newly refused is told before it is deployed."""
    (place / "new.csv").write_text(_SET.replace("uid,", "no_such,"), encoding="utf-8")
    (place / "events.json").write_text(json.dumps(_EVENT), encoding="utf-8")
    arguments = ["mapping", "plan", "new.csv", "--against", "set.csv", "--events", "events.json", "--json"]
    result = CliRunner().invoke(app, [*arguments, "--route", "copy"])
    assert result.exit_code == 1, result.output
    assert "customer_id_missing" in result.stdout


def test_the_set_that_ships_for_aep_is_not_taken(place) -> None:
    """A route to MoEngage without a mapping set of its own says which setting is missing, by its own name."""
    text = (place / "bridge.toml").read_text(encoding="utf-8")
    (place / "bridge.toml").write_text(text.replace("path = 'set.csv'", ""), encoding="utf-8")
    with pytest.raises(SettingsError, match="BRIDGE_MAPPING__PATH: not set"):
        _parts()


@pytest.mark.parametrize(
    ("setting", "folds"), [("", False), ("coalesce = true\n", True), ("coalesce = false\n", False)]
)
def test_folding_is_for_sources_of_profiles_or_by_the_setting(place, setting, folds) -> None:
    """MoEngage's Streams are events: nothing is folded unless the setting says so."""
    with (place / "bridge.toml").open("a", encoding="utf-8") as file:
        file.write(setting)
    assert (_parts().policy.fold is not None) is folds
