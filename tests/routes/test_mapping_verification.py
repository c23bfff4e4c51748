"""``mapping verify``: transport and comparison on the shapes that Adobe's documents show. Whether Adobe agrees is not tested here."""

from __future__ import annotations

import pytest

from bridge.adobe.client import Answer
from bridge.adobe.pages import Unreadable
from bridge.model.errors import SettingsError
from bridge.routes.mapping_verification import verified
from bridge.settings import Settings

EVENTS = [{"name": "Ada", "at": 1580967474}, {"name": "Grace"}]


class Recorded:
    """Answers validate and preview as recorded; keeps what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def ask(self, method, path, document=None, **_):
        """The next answer."""
        self.asked.append((method, path.rpartition("/")[2], document))
        return Answer(200, {}, self.answers.pop(0))


@pytest.fixture
def settings(tmp_path):
    """A mapping set of two rows, without a schema of its own."""
    path = tmp_path / "mapping.csv"
    path.write_text(
        'source_type,source,destination\nATTRIBUTE,name,{tenant}.name\nEXPRESSION,"upper(name)",{tenant}.loud\n',
        encoding="utf-8",
    )
    return Settings(
        mapping={"path": path, "tenant": "_acme", "schema": "none"},
        aep={"schema_id": "https://ns.adobe.com/acme/schemas/1"},
    )


GOOD = {"validationResponse": [{"status": "SUCCESS", "errors": None}, {"status": "SUCCESS", "errors": None}]}


async def test_an_array_of_results_is_compared(settings):
    """The form of Adobe's documents; what it was sent is the set for the schema, and the events as they are."""
    client = Recorded(
        GOOD,
        [
            {"data": {"_acme": {"name": "Ada", "loud": "ADA"}}, "errors": None},
            {"data": {"_acme": {"name": "Grace", "loud": "Grace"}}, "errors": None},
        ],
    )
    found = await verified(client, settings, EVENTS, at_once=20)
    assert [[one.path for one in each] for each in found.differences] == [[], ["_acme.loud"]]
    assert found.differences[1][0].row == 3
    assert not found.agrees
    assert found.cases == [
        {"source_type": "EXPRESSION", "source": "upper(name)", "destination": "_acme.loud", "event": EVENTS[1],
         "expected": "Grace", "got": "GRACE"}
    ]  # fmt: skip
    (_, path, document), (_, _, sent) = client.asked
    assert path == "validate"
    assert document["outputSchema"]["schemaRef"]["id"] == "https://ns.adobe.com/acme/schemas/1"
    assert document["mappings"][1] == {"sourceType": "EXPRESSION", "source": "upper(name)", "destination": "_acme.loud"}
    assert sent == {"data": EVENTS, "mappingSet": document}
    assert found.as_json()["differences"][0]["event"] == 2


async def test_a_single_object_is_one_result(settings):
    """The form of the OpenAPI description."""
    client = Recorded(GOOD, {"data": {"_acme": {"name": "Ada", "loud": "ADA"}}, "errors": []})
    assert (await verified(client, settings, EVENTS[:1], at_once=20)).agrees


async def test_refused_rows_are_named_and_nothing_is_mapped(settings):
    """Line, destination and Adobe's words; a set that Adobe refuses maps nothing."""
    client = Recorded(
        {
            "validationResponse": [
                {"status": "SUCCESS"},
                {"status": "FAILED", "errors": [{"message": "unknown function"}]},
            ]
        }
    )
    found = await verified(client, settings, EVENTS, at_once=20)
    assert found.refused == ((3, "_acme.loud", "unknown function"),)
    assert found.events == 0
    assert len(client.asked) == 1


async def test_events_go_in_parts(settings):
    """No call holds more than it may."""
    one = {"data": {"_acme": {"name": "Ada", "loud": "ADA"}}}
    client = Recorded(GOOD, [one, one], [one])
    found = await verified(client, settings, EVENTS[:1] * 3, at_once=2)
    assert found.events == 3
    assert [len(sent["data"]) for _, path, sent in client.asked if path == "preview"] == [2, 1]


@pytest.mark.parametrize(
    "answers",
    [({"validationResponse": [{"status": "SUCCESS"}]},), (GOOD, [{"data": {}}]), ({"validationResponse": 1},)],
)
async def test_answers_that_do_not_fit_are_not_guessed_at(settings, answers):
    """Fewer verdicts than rows, fewer results than events, no list."""
    with pytest.raises(Unreadable):
        await verified(Recorded(*answers), settings, EVENTS, at_once=20)


async def test_a_schema_id_is_needed(settings):
    """Adobe maps to a schema that it holds."""
    without = settings.model_copy(update={"aep": settings.aep.model_copy(update={"schema_id": None})})
    with pytest.raises(SettingsError, match="BRIDGE_AEP__SCHEMA_ID"):
        await verified(Recorded(), without, EVENTS, at_once=20)
