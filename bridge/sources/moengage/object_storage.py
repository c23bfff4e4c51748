"""Exports in S3, Google Cloud Storage and Azure: listed by day, read in ranges, with errors that say what to do.

obstore reads the credentials from the environment, by the names that each cloud's own tools use. An object is read in ranges of
a few megabytes: a connection that breaks costs one of them, and nothing is held that was not asked for.
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from bridge.sources.moengage.export_files import Export, InputError
from bridge.sources.moengage.export_names import ExportTimes, NameKind, day_of, kind_of

try:
    import obstore
    from obstore import exceptions
    from obstore.store import from_url
except ImportError as missing:
    raise InputError(
        "object storage needs the package obstore", hint="pip install 'moengage-aep-bridge[objects]'"
    ) from missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

_RANGE: Final = 4 << 20
_CONNECT_SECONDS: Final = 5
_TRYING_SECONDS: Final = 30
_SCHEMES: Final = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (AWS_SESSION_TOKEN) or a role of the machine, AWS_REGION, and the"
    " permissions s3:ListBucket and s3:GetObject (kms:Decrypt where the bucket is encrypted with a key of yours)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS or a service account of the machine, and the role Storage Object Viewer",
    "az": "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_KEY or an identity of the machine,"
    " and the role Storage Blob Data Reader",
}
"""What opens a bucket, by the scheme of its URL."""
_ENDPOINTS: Final = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_QUERY: Final = re.compile(r"(?<=[\w/])\?[^\s\"')]+")
"""Of an address in an error: signatures stand there."""


class BucketError(InputError):
    """The bucket as a whole cannot be used."""


@dataclass(frozen=True, slots=True)
class ObjectFound:
    """An object of a bucket as a listing tells it; ``version`` changes with its content."""

    url: str
    path: str
    size: int
    version: str
    modified: datetime


@dataclass(slots=True)
class Listing:
    """What a listing came upon beside exports: with an example of each."""

    encrypted: int = 0
    others: int = 0
    example_encrypted: str = ""
    example_other: str = ""


class Bucket:
    """A bucket, and in it a folder or one object: ``s3://bucket/folder``, ``gs://…``, ``az://container/…``.

    Raises ``InputError`` for an address that none can be.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._scheme, self._name = parts.scheme.lower(), parts.netloc
        if self._scheme not in _SCHEMES or not self._name:
            raise InputError(
                f"{url} is not an address of object storage that can be read",
                hint="s3://bucket/folder, gs://bucket/folder or az://container/folder",
            )
        # Not urlsplit's path: a key may hold ? and #.
        self._prefix = url.split("://", 1)[1][len(self._name) :].strip("/")
        self.url = f"{self._scheme}://{self._name}/{self._prefix}".rstrip("/")
        self._store = self._opened()

    def find(self, times: ExportTimes, listing: Listing, stopped: Callable[[], bool]) -> Iterator[ObjectFound]:
        """The exports of these times, day by day; what else there is goes into ``listing``. Ends early when ``stopped``.

        A folder of a day that is not wanted costs no request. Raises ``InputError``.
        """
        with _Told(self):
            folders = [self._prefix]
            seen = False
            while folders and not stopped():
                folder = folders.pop()
                for one in self._below(folder, folders, times):
                    seen = True
                    yield from self._judged(one, times, listing)
            if not seen and not folders and self._prefix and (alone := self._alone()):
                # Named by itself, it is read whatever its name and its day.
                yield alone
                seen = True
            if not seen and self._is_empty():
                raise InputError(f"nothing is at {self.url}", hint="look at the folder's name: case counts")

    def open(self, found: ObjectFound) -> Export:
        """The object as an export."""
        return Export(found.url, raw=io.BufferedReader(_Ranges(self, found), _RANGE), size=found.size)

    def read(self, found: ObjectFound, begin: int, end: int) -> bytes:
        """Bytes of the object, as long as it is the one that was found. Raises ``InputError``."""
        with _Told(self, found):
            options: dict[str, Any] = {"range": (begin, end)}
            if found.version.startswith('"'):
                options["if_match"] = found.version
            return bytes(obstore.get(self._store, found.path, options=options).bytes())  # type: ignore[arg-type]

    def trouble(self, error: BaseException, found: ObjectFound | None) -> InputError:
        """An error of obstore's in words, with what can be done."""
        text = _QUERY.sub("", str(error).split("\n", 1)[0])[:300]
        credentials = f"{self._scheme}:// takes them from the environment: {_SCHEMES[self._scheme]}"
        if isinstance(error, exceptions.PreconditionError) and found is not None:
            return InputError(f"{found.url} was replaced while it was read", hint="run it again: it reads the new one")
        if _NO_CREDENTIALS.search(str(error)):
            return BucketError(f"there are no credentials for {self.url}: {text}", hint=credentials)
        refused = exceptions.PermissionDeniedError | exceptions.UnauthenticatedError
        if isinstance(error, refused) or _DENIED.search(str(error)):
            return BucketError(f"access to {self.url} is denied: {text}", hint=credentials)
        if _NO_BUCKET.search(str(error)):
            return BucketError(
                f"there is no {_BUCKET[self._scheme]} {self._name}", hint="look at its name, its region and the account"
            )
        if isinstance(error, FileNotFoundError) and found is not None:
            return InputError(f"{found.url} is not there any more")
        return BucketError(f"{self.url} cannot be read: {text}", hint=_hint(self._scheme, str(error)))

    def _opened(self) -> Any:
        client: dict[str, Any] = {"connect_timeout": timedelta(seconds=_CONNECT_SECONDS)}
        endpoints = (os.environ.get(name) for name in _ENDPOINTS.get(self._scheme, ()))
        endpoint = next((each for each in endpoints if each), "")
        if urlsplit(endpoint).scheme == "http" and urlsplit(endpoint).hostname in _LOOPBACK:
            client["allow_http"] = True
        retries: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=_TRYING_SECONDS)}
        try:
            return from_url(f"{self._scheme}://{self._name}", client_options=client, retry_config=retries)  # type: ignore[call-overload]
        except (exceptions.BaseError, ValueError) as error:
            raise self.trouble(error, None) from error

    def _below(self, folder: str, folders: list[str], times: ExportTimes) -> Iterator[ObjectFound]:
        if day_of(folder) is not None:
            for chunk in obstore.list(self._store, prefix=folder):
                for meta in chunk:
                    yield self._found(meta)
            return
        level = obstore.list_with_delimiter(self._store, prefix=folder or None)
        below = [each.strip("/") for each in level["common_prefixes"]]
        wanted = [each for each in below if times.want(each)]
        # The last is taken next: days in their order, other folders after their names.
        wanted.sort(key=lambda each: (str(day_of(each) or ""), each), reverse=True)
        folders += wanted
        for meta in level["objects"]:
            yield self._found(meta)

    def _judged(self, one: ObjectFound, times: ExportTimes, listing: Listing) -> Iterator[ObjectFound]:
        if one.size == 0 or not times.want(one.path, one.modified):
            return
        kind = kind_of(one.path)
        if kind is NameKind.EXPORT:
            yield one
        elif kind is NameKind.ENCRYPTED:
            listing.encrypted += 1
            listing.example_encrypted = listing.example_encrypted or one.url
        else:
            listing.others += 1
            listing.example_other = listing.example_other or one.url

    def _alone(self) -> ObjectFound | None:
        try:
            return self._found(obstore.head(self._store, self._prefix))
        except FileNotFoundError:
            return None

    def _is_empty(self) -> bool:
        return not any(len(chunk) for chunk in obstore.list(self._store, prefix=self._prefix or None, chunk_size=1))

    def _found(self, meta: Any) -> ObjectFound:
        path = meta["path"]
        tag = meta["e_tag"]
        if tag and self._scheme == "az" and not tag.startswith('"'):
            tag = f'"{tag}"'  # Azure's listings leave the quotes out, and its conditions need them
        version = tag or f"{meta['size']}-{meta['last_modified'].timestamp():.0f}"
        url = f"{self._scheme}://{self._name}/{path}"
        return ObjectFound(url, path, meta["size"], version, meta["last_modified"])


_DENIED: Final = re.compile(r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|\b(?:401|403) ")
_NO_CREDENTIALS: Final = re.compile(
    r"169\.254\.|metadata\.google|No credentials|MissingAccount|Account must be specified"
)
"""Without credentials in the environment a machine's own are asked for, at an address that only clouds have."""
_NO_BUCKET: Final = re.compile(r"NoSuchBucket|ContainerNotFound|specified bucket does not exist")
_BUCKET: Final = {"s3": "bucket", "gs": "bucket", "az": "container"}


def _hint(scheme: str, text: str) -> str:
    if "allow_http" in text or "URL scheme is not allowed" in text or "builder error" in text:
        return "the address is http, which is read on this machine only; elsewhere AWS_ALLOW_HTTP=true allows it"
    if scheme == "s3" and ("301" in text or "redirect" in text.lower()):
        return "the bucket lies in another region: set AWS_REGION"
    return "look at the address and the network; run it again: it goes on where it ended"


class _Told:
    """Around calls of obstore: its errors leave as ``InputError``."""

    def __init__(self, bucket: Bucket, found: ObjectFound | None = None) -> None:
        self._bucket = bucket
        self._object = found

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, InputError):
            return
        if isinstance(error, exceptions.BaseError | OSError | ValueError):
            raise self._bucket.trouble(error, self._object) from error


class _Ranges(io.RawIOBase):
    """An object as a file that is read from its beginning to its end."""

    def __init__(self, bucket: Bucket, found: ObjectFound) -> None:
        self._bucket = bucket
        self._object = found
        self._at = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        end = min(self._at + len(buffer), self._object.size)
        if end <= self._at:
            return 0
        data = self._bucket.read(self._object, self._at, end)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
