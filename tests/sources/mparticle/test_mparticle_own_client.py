"""mParticle's own Python client posts to the receiver: it gets 200, and what it sent are the users and events of MoEngage's table.

It runs in an environment of its own below ``.make``, pinned, since it needs an old urllib3.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest
from checkout import ROOT
from client_environment import interpreter_with
from memory_store import MemoryStore
from mparticle_table import TABLE

from bridge.routes.moengage_events import open_moengage_events
from bridge.settings import MappingSettings, MoEngageSettings, MParticleSettings, ReceiverSettings
from bridge.sources.http.endpoint import Receiver
from bridge.sources.http.listener import Listener
from bridge.sources.http.reception import Reception
from bridge.sources.mparticle.decoder import MParticleDecoder
from bridge.sources.mparticle.posting import BATCHES
from bridge.telemetry.metrics import ReceptionMetrics

HERE = Path(__file__).resolve().parent
KEY, SECRET = "us1-0123456789abcdef", "a-secret-of-a-test"


@pytest.fixture(scope="module")
def python():
    """The interpreter of an environment that has mParticle's client."""
    return interpreter_with("mparticle", HERE / "mparticle-requirements.txt")


async def _posted(python: Path, store: MemoryStore) -> dict[str, int]:
    """What the client was answered."""
    settings = ReceiverSettings(host="127.0.0.1", port=0, auth="basic", username=KEY, password=SECRET)
    metrics, path = ReceptionMetrics(["shop"]), f"{BATCHES.path}/shop"
    decoder = MParticleDecoder(MParticleSettings())
    receiver = Receiver(settings, store, metrics.of_route["shop"], BATCHES, decoder, path=path, named=True)
    reception = Reception({path + more: receiver for more in ("", *BATCHES.below)}, metrics.of_none, [BATCHES])
    async with Listener(settings, reception) as listener:
        url = f"http://127.0.0.1:{listener.port}{path}"
        process = await asyncio.create_subprocess_exec(
            *(python, "-W", "ignore", str(HERE / "mparticle_session.py"), url, KEY, SECRET),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        table = orjson.dumps([example.data for example in TABLE.values()])
        out, errors = await asyncio.wait_for(process.communicate(table), 60)
        assert process.returncode == 0, errors.decode()[-3000:]
    return orjson.loads(out.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.prepared
@pytest.mark.timeout(400)
async def test_what_the_client_sends_becomes_users_and_events(python):
    """Attributes, deletions, consent, changes, screens and every commerce event of the table; a wrong secret is 401 and stores nothing."""
    store = MemoryStore()
    assert await _posted(python, store) == {"user": 200, "change": 200, "bulk": 200, "refused": 401}
    assert not store.dead_letters
    decoder = MParticleDecoder(MParticleSettings())
    events = open_moengage_events(
        MappingSettings(path=ROOT / "mappings" / "mparticle_events.csv"), MoEngageSettings(objects=True)
    )
    elements = []
    for record in store.events:
        (event,) = decoder.decode(record[1])
        built = events.build(event)
        assert (built.rejection, list(built.findings)) == (None, [])
        elements += built.xdm["elements"]
    told = {
        "user_time": "2025-11-02T06:13:16Z",
        "attributes": {"length": "12", "part": 3, "live": False},
    }
    (user, watched, change, screen), bought = elements[:4], elements[4:]
    assert user == {
        "type": "customer",
        "customer_id": "C-1",
        "attributes": {
            "old": "",
            "tier": "gold",
            "sizes": ["M", "L"],
            "gdpr_marketing": True,
            "ccpa_data_sale_opt_out": False,
            "first_name": "Zoë",
            "mobile": "+4930",
            "email": "C-1@example.com",
            "mp_city": "Köln",
        },
    }
    assert watched == {
        "type": "event",
        "customer_id": "C-1",
        "actions": [{"action": "Video Watched", "platform": "TV", "app_version": "4.2", **told}],
    }
    assert change["attributes"] == {"visits": 42, "email": "C-2@example.com"}
    assert screen["actions"] == [{"action": "Home", "user_time": told["user_time"]}]
    assert [element["customer_id"] for element in bought] == ["C-3"] * len(TABLE)
    assert [element["actions"] for element in bought] == [[example.action] for example in TABLE.values()]
