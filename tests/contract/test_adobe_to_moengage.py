"""docs/adobe-to-moengage.md, word by word: its settings load, its messages become the elements that it shows, its commands run."""

import csv
import io
import json
import re
from pathlib import Path

import httpx
import pytest
from json_output import json_of
from memory_store import MemoryStore
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.routes.kinds import open_decoder, open_parts
from bridge.routes.moengage_events import open_moengage_events
from bridge.routes.moengage_files import failing
from bridge.routes.private_destinations import wanted_destination
from bridge.routes.receiving import own_path, paths, posting_of
from bridge.routes.sample_events import read_sample
from bridge.settings import AdobeSettings, MappingSettings, MoEngageSettings, load_deployment
from bridge.sources.adobe.decoder import AdobeDecoder
from bridge.sources.http.endpoint import Receiver
from bridge.sources.http.listener import Listener
from bridge.sources.http.reception import Reception
from bridge.telemetry.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adobe-to-moengage.md").read_text(encoding="utf-8")
CASES = ROOT / "mappings" / "adobe_tests"


def block(mark):
    """The text of the block below the comment."""
    return re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[1]


@pytest.fixture
def route(tmp_path, monkeypatch):
    """The route of the page."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bridge.toml").write_text(block("file: bridge.toml"), encoding="utf-8")
    (only,) = load_deployment().routes
    return only


def elements(route, document, path=None):
    """What the document becomes under the page's settings, and the mapping set of ``path``, or that of the route."""
    mapping = route.settings.mapping if path is None else MappingSettings(path=path)
    made = open_moengage_events(mapping, route.settings.moengage)
    found = []
    for event in read_sample(open_decoder(route), document):
        built = made.build(event)
        assert built.rejection is None
        assert not built.warnings
        found += built.xdm["elements"]
    return found


@pytest.mark.parametrize(
    ("given", "becomes"), [("profile", "elements"), ("message", "message elements"), ("event", "event elements")]
)
def test_each_message_becomes_the_elements_beside_it(route, given, becomes):
    """The HTTP API destination's profile, the private destination's message, and an event."""
    assert elements(route, json.loads(block(given))) == json.loads(block(becomes))


def test_rows_of_ones_own_restore_types(route, tmp_path):
    """The page's rows below those that ship give numbers and booleans in place of the text; what is absent stays so."""
    shipped = (ROOT / "mappings" / "adobe_profiles.csv").read_text(encoding="utf-8")
    (tmp_path / "own.csv").write_text(
        shipped + "".join(f"{line.rstrip()},own\n" for line in block("rows").splitlines()[1:]), encoding="utf-8"
    )
    message = json.loads(block("message"))
    assert elements(route, message, tmp_path / "own.csv")[0]["attributes"]["points"] == 120
    message["profiles"][0]["profile"]["attributes"] = {"newsletter": {"value": "true"}}
    (element,) = elements(route, message, tmp_path / "own.csv")
    assert element["attributes"] == {"newsletter": True, "AEPSegments": ["Cart <abandoners>"]}


def test_the_table_names_every_row_that_ships():
    """What the table says becomes of Adobe's fields is what the set does."""
    shipped = csv.DictReader(io.StringIO((ROOT / "mappings" / "adobe_profiles.csv").read_text(encoding="utf-8")))
    table = PAGE[PAGE.index("## What becomes what") : PAGE.index("The mapping set is")]
    for row in shipped:
        if row["destination"].startswith("customer.attributes."):
            name = row["destination"].removeprefix("customer.attributes.")
            assert f"`{name}`" in table
            assert f"`{row['source']}`" in table or row["source"] == "audienceNames"


@pytest.mark.parametrize("namespace", ["crmId", "Email"])
def test_the_private_destination_sends_where_the_route_listens(route, monkeypatch, namespace):
    """What setup makes of the page's settings: the route's address, a bearer token, the namespace of its customer ids."""
    monkeypatch.setenv("BRIDGE_RECEIVER__PUBLIC_URL", "https://bridge.example.com/in/")
    monkeypatch.setenv("BRIDGE_ROUTES__CRM__ADOBE__CUSTOMER_ID_NAMESPACE", namespace)
    (route,) = load_deployment().routes
    wanted = wanted_destination(route)
    assert wanted.server()["urlBasedDestination"]["url"]["value"] == "https://{{customerData.bridgeHost}}/in/adobe/crm"
    assert wanted.endpoint == f"https://bridge.example.com/in{own_path(route, paths([route]))}"
    destination = wanted.destination("a-server")
    assert destination["customerAuthenticationConfigurations"] == [{"authType": "BEARER"}]
    assert destination["identityNamespaces"][namespace]["acceptsCustomNamespaces"] is True
    assert destination["destinationDelivery"][0]["destinationServerId"] == "a-server"


def test_the_commands_of_the_page_run(route, tmp_path):
    """routes, preview and lint as they stand there; check is run against Kafka elsewhere."""
    (tmp_path / "profile.json").write_text(block("profile"), encoding="utf-8")
    run = CliRunner().invoke
    told = run(app, ["routes"])
    assert told.exit_code == 0
    assert "/adobe/crm" in told.output
    command = "aep-bridge mapping preview mappings/adobe_profiles.csv --route crm --event profile.json"
    assert command in PAGE
    told = run(app, [*command.split()[1:], "--json"])
    assert told.exit_code == 0, told.output
    assert json_of(told)["elements"] == json.loads(block("elements"))
    told = run(app, ["mapping", "lint", "mappings/adobe_profiles.csv", "--route", "crm", "--events", "profile.json"])
    assert told.exit_code == 0, told.output
    command = "aep-bridge mapping init --route crm --events profile.json --output mapping.csv"
    assert command in PAGE
    told = run(app, command.split()[1:])
    assert told.exit_code == 0, told.output
    assert elements(route, json.loads(block("profile")), tmp_path / "mapping.csv") == json.loads(block("elements"))


def test_the_golden_cases_that_ship_pass(route):
    """By the command without any route, and as a worker runs them before it takes up a changed set."""
    told = CliRunner().invoke(
        app, ["mapping", "test", str(CASES), "--mapping", str(ROOT / "mappings/adobe_profiles.csv")]
    )
    assert told.exit_code == 0, told.output
    settings = MappingSettings(path=ROOT / "mappings/adobe_profiles.csv", tests=CASES)
    assert failing(settings, MoEngageSettings(), AdobeDecoder(AdobeSettings())) == []
    assert failing(settings, MoEngageSettings(), open_decoder(route)) == []


def test_the_route_is_what_a_worker_runs(route):
    """Its parts open, and changes of one customer that wait together are folded."""
    parts = open_parts(route, Metrics("crm"))
    assert parts.policy.fold is not None
    assert parts.title == "MoEngage"


async def test_the_rehearsal_of_the_page(route):
    """The command's path, header and body, at a receiver, are answered as the page shows."""
    command = block("rehearsal")
    path, header = re.search(r"YOUR-HOST(/\S+)\"", command)[1], re.search(r'-H "(.+?): (.+?)"', command)
    settings = route.settings.receiver.model_copy(update={"host": "127.0.0.1", "port": 0})
    receiver = Receiver(
        settings,
        MemoryStore(),
        Metrics("crm"),
        posting_of(route),
        open_decoder(route),
        path=own_path(route, paths([route])),
    )
    endpoint = Reception({receiver.path: receiver}, Metrics("none"), [posting_of(route)])
    async with (
        Listener(settings, endpoint) as listener,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False) as client,
    ):
        answer = await client.post(path, content=block("profile"), headers={header[1]: header[2]})
    assert answer.json() == json.loads(block("rehearsed"))
