"""Is a set-up that is killed, whose answers are lost, or that has to wait completed without making anything twice?"""

from __future__ import annotations

import asyncio

import pytest
from setting_up import (
    ONE_OF_EACH,
    Heard,
    Killed,
    LeftBehind,
    applied,
    changes,
    counted,
    kill_after,
    planned,
    put,
    remove,
    text_of,
)

from bridge.adobe import client as platform_client
from bridge.model.errors import BridgeError


@pytest.mark.parametrize("heard", [True, False], ids=["answer heard", "answer unheard"])
async def test_killed_after_any_request_it_is_completed_without_a_duplicate(adobe, monkeypatch, heard):
    """Every request in turn is the last of a run; the next run ends with one of each, and .env with the right ids."""
    start = text_of(".env")
    left = LeftBehind()
    count, died = 0, True
    while died:
        count += 1
        left.empty(adobe)
        put(".env", start)
        remove("aep-schema.json")
        with monkeypatch.context() as context:
            kill_after(context, count, heard=heard)
            try:
                await applied()
            except Killed:
                died = True
            else:
                died = False
        if not left.is_new(adobe):
            continue
        await applied()
        assert counted(adobe) == ONE_OF_EACH, f"killed after request {count}"
        assert (await planned()).plan.exit_code == 0
    assert count > len(ONE_OF_EACH) * 2
    assert left.times_new > len(ONE_OF_EACH)


_CREATING = [
    "/idnamespace/identities",
    "/tenant/fieldgroups",
    "/tenant/schemas",
    "/dataSets",
    "/connections",
    "/sourceConnections",
    "/targetConnections",
    "/flows",
]


@pytest.mark.parametrize("trouble", ["reset", "fail"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("path", _CREATING)
async def test_a_lost_answer_makes_no_duplicate(adobe, path, when, trouble):
    """The connection breaks, or the gateway answers 503, before or after the write took effect: looked for, then repeated if absent."""
    adobe.control(platform={trouble: {"method": "POST", "path": path, "when": when, "count": 1}})
    heard = Heard()
    await applied(heard=heard)
    assert counted(adobe) == ONE_OF_EACH
    assert sum(1 for word, _ in heard.said if word == "unsure") == 1
    assert (await planned()).plan.exit_code == 0


async def test_a_lost_answer_to_a_patch_is_looked_at(adobe):
    """The union tag, too: it is there after all, and is not sent again."""
    adobe.control(platform={"reset": {"method": "PATCH", "when": "after", "count": 1}})
    await applied()
    assert sum(1 for method, path, _ in changes(adobe) if method == "PATCH" and "/schemas/" in path) == 1


async def test_a_service_that_never_does_it_is_given_up(adobe):
    """A request that is lost each time is sent a few times and then told, not for ever."""
    adobe.control(platform={"reset": {"method": "POST", "path": "/dataSets", "when": "before", "count": 100}})
    with pytest.raises(BridgeError, match="dataset MoEngage Event Data: sent 4 times"):
        await applied()


async def test_busy_is_waited_out(adobe):
    """429 before anything happened is repeated, for reads and for writes."""
    adobe.control(platform={"fail": {"status": 429, "retry_after": 1, "count": 3, "when": "before"}})
    await planned()
    adobe.control(
        platform={"fail": {"status": 429, "method": "POST", "path": "/dataSets", "count": 2, "when": "before"}}
    )
    await applied()
    assert counted(adobe) == ONE_OF_EACH


async def test_an_expired_token_is_renewed_on_the_way(adobe):
    """A token that AEP refuses is replaced once, and nothing is lost or doubled."""
    real, seen = platform_client.exchange, set()

    async def exchange(client, method, url, *args, **options):
        if method == "POST" and url not in seen:
            adobe.control(revoke_tokens=True)
            seen.add(url)
        return await real(client, method, url, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(platform_client, "exchange", exchange)
        await asyncio.wait_for(applied(), 60)
    assert counted(adobe) == ONE_OF_EACH
