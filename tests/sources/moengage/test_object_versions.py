"""An object that is replaced while it is read: noticed by the version that the listing has told, in each cloud's spelling."""

import threading
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bridge.sources.moengage.export_files import InputError
from bridge.sources.moengage.export_names import ExportTimes
from bridge.sources.moengage.object_storage import Bucket, Listing

pytestmark = pytest.mark.clock

_NAME = "export_day=2026-11-20/events_1.json"
_BODY = b'{"event_name": "one"}\n'
_WRITTEN = format_datetime(datetime(2026, 11, 20, tzinfo=UTC), usegmt=True)


class _Azure(BaseHTTPRequestHandler):
    """A container of Azure's: its listing tells ETags without quotes, a condition needs them (Blob service REST API)."""

    tag = "0x8DE1"

    def do_GET(self):
        """A listing, or bytes of the blob where the condition holds."""
        if "comp=list" in self.path:
            blob = f"<Blob><Name>{_NAME}</Name><Properties><Last-Modified>{_WRITTEN}</Last-Modified><Etag>{self.tag}</Etag>"
            blob += f"<Content-Length>{len(_BODY)}</Content-Length><Content-Type>application/json</Content-Type><BlobType>BlockBlob</BlobType></Properties></Blob>"
            below = f"<BlobPrefix><Name>{_NAME.partition('/')[0]}/</Name></BlobPrefix>"
            found = below if "delimiter" in self.path else blob
            self._answer(200, f"<EnumerationResults><Blobs>{found}</Blobs><NextMarker/></EnumerationResults>".encode())
        elif self.headers.get("If-Match", f'"{self.tag}"') != f'"{self.tag}"':
            self._answer(412, b"")
        else:
            begin = int(self.headers["Range"].removeprefix("bytes=").partition("-")[0])
            self._answer(206, _BODY[begin:])

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{self.tag}"')
        self.send_header("Last-Modified", _WRITTEN)
        if status == 206:
            self.send_header("Content-Range", f"bytes {len(_BODY) - len(body)}-{len(_BODY) - 1}/{len(_BODY)}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def azure(monkeypatch):
    """Its address is in the environment, as an operator would set it."""
    handler = type("Azure", (_Azure,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"http://127.0.0.1:{server.server_port}/account")
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_azure_blob_that_was_replaced_is_noticed(azure):
    """What was listed is read; a blob in its place is not taken for it."""
    bucket = Bucket("az://exports")
    [found] = bucket.find(ExportTimes(), Listing(), lambda: False)
    assert bucket.read(found, 0, len(_BODY)) == _BODY
    azure.tag = "0x8DE2"
    with pytest.raises(InputError, match="was replaced while it was read"):
        bucket.read(found, 0, len(_BODY))
