"""Dead letters counted by field and event code: what a dashboard needs to say what is refused and why."""

import orjson
from awaiting import until
from letter_scene import LetterTopic, letters_over
from virtual_time import in_virtual_time

from bridge.kafka.dead_letters.refused_fields import MOST, RefusedFields
from bridge.model.dead_letter import DeadLetter
from bridge.model.verdicts import Rejected, Stage
from bridge.sources.moengage.decoder import DECODER
from bridge.telemetry.metrics import Metrics

_NAME = "bridge_refused_fields_total"


def _counts(metrics):
    return {
        tuple(sample.labels[name] for name in ("stage", "code", "field", "event_code")): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == _NAME
    }


def _letter(value, reason="#/person/birthDate: expected a date"):
    return DeadLetter(key=None, value=value, stage=Stage.CHECK, code="schema_type", reason=reason)


def test_a_letter_is_counted_by_its_field_and_the_code_of_its_event():
    """Also within an envelope; several codes are none, as is what holds no event or no field."""
    metrics = Metrics()
    fields = RefusedFields(metrics, DECODER)
    bought = {"event_code": "BOUGHT", "uid": "u"}
    fields.count(_letter(orjson.dumps(bought)), 1)
    fields.count(_letter(orjson.dumps({"app_name": "A", "events": [bought, bought]})), 2)
    fields.count(_letter(orjson.dumps({"events": [bought, {"event_code": "SENT"}]})), 1)
    fields.count(_letter(b"no json", "refused"), 1)
    assert _counts(metrics) == {
        ("check", "schema_type", "person.birthDate", "BOUGHT"): 3,
        ("check", "schema_type", "person.birthDate", ""): 1,
        ("check", "schema_type", "", ""): 1,
    }


def test_the_series_are_bounded():
    """Whatever senders call their events: those beyond the bound are one, and known ones count on."""
    metrics = Metrics()
    fields = RefusedFields(metrics, DECODER)
    for number in range(MOST + 50):
        fields.count(_letter(orjson.dumps({"event_code": f"E{number}"})), 1)
    fields.count(_letter(orjson.dumps({"event_code": "E0"})), 1)
    found = _counts(metrics)
    assert len(found) == MOST + 1
    assert found["check", "schema_type", "other", "other"] == 50
    assert found["check", "schema_type", "person.birthDate", "E0"] == 2


def test_long_names_are_cut():
    """A label is no place for a text of a megabyte."""
    metrics = Metrics()
    RefusedFields(metrics, DECODER).count(_letter(orjson.dumps({"event_code": "x" * 5_000}), "#/" + "y" * 5_000), 1)
    ((_, _, field, code),) = _counts(metrics)
    assert (len(field), len(code)) == (100, 100)


def test_a_reading_that_fails_costs_the_code_alone():
    """The letter is stored already: an error would end the worker over a figure."""

    class Broken:
        def parse_record(self, _value):
            raise RuntimeError

    metrics = Metrics()
    RefusedFields(metrics, Broken()).count(_letter(b"{}"), 1)
    assert _counts(metrics) == {("check", "schema_type", "person.birthDate", ""): 1}


@in_virtual_time
async def test_the_store_counts_what_is_confirmed():
    """Once a letter, with as many events as it stands for."""
    topic = LetterTopic(failures=2)
    _, chunk, letters = letters_over(topic, [b'{"event_code":"BOUGHT"}'] * 2)
    letters.start()
    for row in range(2):
        letters.put(chunk, row, None, Rejected(Stage.CHECK, "schema_type", "#/a/b: wrong"), 1)
    await until(lambda: len(letters) == 0)
    await letters.stop()
    assert _counts(letters._metrics) == {("check", "schema_type", "a.b", "BOUGHT"): 2}
