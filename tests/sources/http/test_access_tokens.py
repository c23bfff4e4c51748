"""A sender that fetches OAuth tokens from the receiver, as a real OAuth client does, may post; nobody else may."""

import asyncio
import base64
from urllib.parse import quote

import httpx
import orjson
import pytest
import structlog
from authlib.integrations.httpx_client import AsyncOAuth2Client
from memory_store import MemoryStore
from structlog.testing import capture_logs

from bridge.model.errors import SettingsError
from bridge.settings import ReceiverSettings, load_settings
from bridge.sources.http.access_tokens import AccessTokens
from bridge.sources.http.endpoint import Receiver
from bridge.sources.http.listener import Listener
from bridge.sources.http.reception import Reception
from bridge.sources.moengage.decoder import DECODER
from bridge.sources.moengage.posting import STREAMS
from bridge.telemetry.metrics import Metrics

EVENT = orjson.dumps({"event_code": "X", "event_uuid": "u-1", "uid": "user", "event_time": 5})
CLIENT = {"client_id": "moengage", "client_secret": "secret-of-a-test"}
FORM = {"grant_type": "client_credentials"}


def a_receiver(**settings):
    """A receiver that gives tokens, and its metrics."""
    metrics = Metrics("eu")
    asked = ReceiverSettings(host="127.0.0.1", port=0, auth="oauth", **{**CLIENT, **settings})
    return Receiver(asked, MemoryStore(), metrics, STREAMS, DECODER, path="/moengage/streams/eu"), asked, metrics


def count(metrics, status):
    """How many requests were answered so."""
    return metrics.registry.get_sample_value("bridge_receiver_requests_total", {"status": str(status)}) or 0


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_client_fetches_a_token_and_posts(method):
    """Authlib's own client, with id and secret in the form or as Basic, at a route's path and below it."""
    receiver, asked, metrics = a_receiver()
    reception = Reception({"/moengage/streams/eu": receiver}, Metrics("-"), [STREAMS])
    async with (
        Listener(asked, reception) as listener,
        AsyncOAuth2Client(**CLIENT, token_endpoint_auth_method=method, trust_env=False) as client,
    ):
        url = f"http://127.0.0.1:{listener.port}/moengage/streams/eu"
        token = await client.fetch_token(url + "/token", grant_type="client_credentials")
        assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
        assert (await client.post(url, content=EVENT)).status_code == 200
        assert count(metrics, 200) == 2


async def test_wrong_credentials_and_tokens_are_401_and_counted():
    """Another secret, another id, no token, a token that was changed: 401 each, so that the alert sees it."""
    receiver, asked, metrics = a_receiver()
    async with (
        Listener(asked, receiver) as listener,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}/moengage/streams", trust_env=False) as client,
    ):
        for auth in (("moengage", "wrong"), ("other", CLIENT["client_secret"]), None):
            answer = await client.post("/token", data=FORM, auth=auth)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        token = (await client.post("/token", data=FORM | CLIENT)).json()["access_token"]
        changed = token[:-5] + "AAAAA"
        for header in (
            "",
            f"Bearer {changed}",
            "Bearer",
            f"Basic {base64.b64encode(b'moengage:secret-of-a-test').decode()}",
        ):
            answer = await client.post("", content=EVENT, headers={"Authorization": header})
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert count(metrics, 401) == 7


@pytest.mark.parametrize(
    ("form", "error"), [({}, "unsupported_grant_type"), ({"grant_type": "password"}, "unsupported_grant_type")]
)
async def test_other_grants_are_refused(form, error):
    """Only client credentials; a GET is no request for a token."""
    receiver, asked, _ = a_receiver()
    async with (
        Listener(asked, receiver) as listener,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False) as client,
    ):
        answer = await client.post("/moengage/streams/token", data=form | CLIENT)
        assert (answer.status_code, answer.json()["error"]) == (400, error)
        assert answer.headers["Cache-Control"] == "no-store"
        assert (await client.get("/moengage/streams/token")).status_code == 405
        assert (await client.post("/moengage/streams/token", content=b"x" * 20_000)).status_code == 413


@pytest.mark.parametrize(
    ("form", "authorization"),
    [
        (FORM | CLIENT | {"client_id": "a-stranger"}, None),
        (FORM | CLIENT | {"client_secret": "a-stranger"}, None),
        (FORM, "Basic /w=="),
        (FORM, "Basic \u00e4"),
        (FORM, "Basic !"),
        (FORM, "Basic " + base64.b64encode(b"a-stranger:a-stranger").decode()),
    ],
)
async def test_whatever_the_credentials_for_a_token_are_the_refusal_is_one(form, authorization):
    """Another id or secret, in the form or as Basic, also one that is none: 401, counted, told, and nothing of it quoted."""
    receiver, asked, metrics = a_receiver()
    headers = {} if authorization is None else {"Authorization": authorization.encode()}
    async with (
        Listener(asked, receiver) as listener,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False) as client,
    ):
        with capture_logs() as logs:
            answer = await client.post("/moengage/streams/token", data=form, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"] == "Basic"
    assert count(metrics, 401) == 1
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["wrong_credentials"]
    assert "stranger" not in answer.text + str(logs)


async def test_a_grant_that_is_refused_is_told_without_its_words():
    """Who set the sender up reads in the answer, and in the log, what is expected."""
    receiver, asked, metrics = a_receiver()
    async with (
        Listener(asked, receiver) as listener,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False) as client,
    ):
        with capture_logs() as logs:
            answer = await client.post("/moengage/streams/token", json=FORM | CLIENT)
            answer = await client.post("/moengage/streams/token", data=CLIENT | {"grant_type": "my-secret"})
    assert "grant_type=client_credentials" in answer.json()["error_description"]
    assert "my-secret" not in answer.text
    assert count(metrics, 400) == 2
    (line,) = [line for line in logs if line["event"] == "token_refused"]
    assert "my-secret" not in str(line)


async def test_a_form_may_arrive_in_pieces():
    """A sender whose body comes in two packets has its token; one of too many bytes is refused, however it comes."""
    receiver, asked, _ = a_receiver()
    form = "&".join(f"{name}={value}" for name, value in (FORM | CLIENT).items()).encode()

    async def pieces(*parts):
        for part in parts:
            yield part
            await asyncio.sleep(0.05)

    async with (
        Listener(asked, Reception({"/moengage/streams/eu": receiver}, Metrics("-"), [STREAMS])) as listener,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}/moengage/streams/eu", trust_env=False) as client,
    ):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        for path in ("/token", "/token/"):
            answer = await client.post(path, content=pieces(form[:30], form[30:]), headers=headers)
            assert answer.status_code == 200, answer.text
        answer = await client.post("/token", content=pieces(form, b"&x=", *[b"x" * 4_000] * 3), headers=headers)
        assert answer.status_code == 413


def test_a_token_ends_with_its_time_and_with_the_secret():
    """It holds for as long as it says, on every receiver with the same secret, and on none with another."""
    now = [1_000.0]
    made = AccessTokens("moengage", "one", 60, lambda: now[0])
    token = made.answer({}, FORM | {"client_id": "moengage", "client_secret": "one"})[1]["access_token"]
    beside = AccessTokens("moengage", "one", 60, lambda: now[0])
    assert made.admits(token)
    assert beside.admits(token)
    assert not AccessTokens("moengage", "two", 60, lambda: now[0]).admits(token)
    assert not AccessTokens("other", "one", 60, lambda: now[0]).admits(token)
    now[0] = 1_061
    assert not made.admits(token)
    assert made.is_expired(token)
    assert not made.is_expired("no.token.atall")


def _segment(header: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(header)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "token",
    [
        *(
            _segment({"alg": "HS256", name: value}) + ".e30.AAAA"
            for name in ("crit", "kid", "alg", "typ", "jwk", "x5c")
            for value in (5, True, None, ["b64"], [5], {"a": 1})
        ),
        *(_segment(header) + ".e30.AAAA" for header in ([], 5, "x", None)),
        base64.urlsafe_b64encode(b'{"alg":"HS256","x":' + b"[" * 5_000).decode() + ".e30.AAAA",
        "." * 5_000,
        "a.b.c.d.e",
        "\u00e9.e30.\u00fc",
    ],
)
async def test_whatever_is_sent_for_a_token_is_refused_as_one(token):
    """Anybody may send headers of any kind in it: 401, and neither 503 nor an error in the log."""
    receiver, asked, metrics = a_receiver()
    async with (
        Listener(asked, receiver) as listener,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False) as client,
    ):
        answer = await client.post(
            "/moengage/streams", content=EVENT, headers={"Authorization": f"Bearer {token}".encode()}
        )
    assert answer.status_code == 401
    assert count(metrics, 401) == 1


@pytest.mark.parametrize("secret", ["secret-of-a-test", "with%41and+and/and=", "50%25 off: sécret"])
@pytest.mark.parametrize("encode", [str, quote])
@pytest.mark.parametrize("padding", ["", "="])
def test_basic_credentials_for_a_token_as_senders_write_them(secret, encode, padding):
    """Form-encoded as RFC 6749 has it, or as they are, with the padding of base64 or without."""
    tokens = AccessTokens("moengage", secret, 60)
    given = base64.b64encode(f"moengage:{encode(secret)}".encode()).decode().rstrip("=" if not padding else "")
    assert tokens.answer({"Authorization": f"Basic {given}"}, FORM)[0] == 200
    assert tokens.answer({"Authorization": f"basic  {given}"}, FORM)[0] == 200
    wrong = base64.b64encode(f"moengage:{encode(secret)}x".encode()).decode()
    assert tokens.answer({"Authorization": f"Basic {wrong}"}, FORM)[0] == 401


async def test_a_form_may_have_marks_and_a_line_end_around_it():
    """Templates of bodies end with a line end, and files begin with a byte order mark: neither is part of a secret."""
    receiver, asked, _ = a_receiver()
    form = "&".join(f"{name}={value}" for name, value in (FORM | CLIENT).items())
    async with (
        Listener(asked, receiver) as listener,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False) as client,
    ):
        answer = await client.post("/moengage/streams/token", content=f"\ufeff{form}\r\n")
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("missing", ["BRIDGE_RECEIVER__CLIENT_ID", "BRIDGE_RECEIVER__CLIENT_SECRET"])
def test_settings_that_lack_a_part_are_refused(missing, monkeypatch, tmp_path):
    """Oauth needs id and secret, and not the example."""
    monkeypatch.chdir(tmp_path)
    given = {"AUTH": "oauth", "CLIENT_ID": "moengage", "CLIENT_SECRET": "secret-of-a-test"}
    for key, value in given.items():
        monkeypatch.setenv(f"BRIDGE_RECEIVER__{key}", value)
    load_settings()
    monkeypatch.delenv(missing)
    with pytest.raises(SettingsError, match=missing):
        load_settings()
    monkeypatch.setenv("BRIDGE_RECEIVER__CLIENT_SECRET", "change-me")
    with pytest.raises(SettingsError, match="CLIENT_"):
        load_settings()


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_form_may_come_in_pieces(chunked):
    """A proxy may pass it on byte by byte: the whole form counts, with and without a length."""
    receiver, asked, _ = a_receiver()
    form = str(httpx.QueryParams(FORM | CLIENT)).encode()

    async def pieces():
        for at in range(0, len(form), 20):
            yield form[at : at + 20]
            await asyncio.sleep(0.002)

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if not chunked:
        headers["Content-Length"] = str(len(form))
    async with (
        Listener(asked, receiver) as listener,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}/moengage/streams", trust_env=False) as client,
    ):
        answer = await client.post("/token", content=pieces(), headers=headers)
        assert (answer.status_code, answer.json().get("token_type")) == (200, "Bearer")
        large = await client.post("/token", content=b"a=1&" * 10_000, headers={"Content-Type": headers["Content-Type"]})
        assert large.status_code == 413


@pytest.mark.parametrize(
    ("form", "auth", "status"),
    [
        (FORM | {"client_id": "other", "client_secret": CLIENT["client_secret"]}, None, 401),
        (FORM, base64.b64encode(b"\xff\xfe:\xff"), 401),
        (FORM, b"###", 401),
        (CLIENT | {"grant_type": "password"}, None, 400),
    ],
)
async def test_whoever_gets_no_token_is_told_so(form, auth, status):
    """Another id, credentials that are no text, another grant: a refusal that is counted and logged, and no error of ours."""
    receiver, asked, metrics = a_receiver()
    headers = {} if auth is None else {"Authorization": b"Basic " + auth}
    with structlog.testing.capture_logs() as told:
        async with (
            Listener(asked, receiver) as listener,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}/moengage/streams", trust_env=False) as client,
        ):
            answer = await client.post("/token", data=form, headers=headers)
    assert answer.status_code == status
    assert count(metrics, status) == 1
    assert [line["event"] for line in told if line["log_level"] == "warning"] == [
        "wrong_credentials" if status == 401 else "token_refused"
    ]
