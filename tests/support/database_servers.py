"""Real database servers for tests: PostgreSQL and MariaDB, installed or unpacked from Debian's packages, each in a folder of its own.

They listen on a loopback port, run as a user without rights where the tests run as root (PostgreSQL refuses root), keep nothing, and die
with the test process.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
import sqlalchemy as sa
from debian_tools import ToolUnavailableError, find_tool, unpacked

from bridge.testing.processes import Child, end, eventually, free_port, start_tied

if TYPE_CHECKING:
    from collections.abc import Iterator

_POSTGRES = ("postgresql-15", "postgresql-16", "postgresql-17", "postgresql-14")
_MARIADB_LIBRARIES = (("libaio1", "libaio1t64"), ("liburing2",), ("libnuma1",))
"""Debian's packages of libraries that the server needs, each with its later name."""
_NOBODY = "nobody"


class DatabaseServer:
    """A server's process and its folder; ``url`` is a SQLAlchemy URL of an empty database ``shop``."""

    backend = ""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"bridge-{self.backend}-", dir="/tmp"))
        self._child: Child | None = None
        self._env = dict(os.environ)

    @property
    def url(self) -> str:
        """Where it listens."""
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _prepare(self) -> None:
        """What is to be there before it starts."""

    def __enter__(self) -> Self:
        try:
            if os.geteuid() == 0:
                user = pwd.getpwnam(_NOBODY)
                os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._prepare()
            self._child = start_tied(
                _as_nobody(self._command()), log=self.folder.with_suffix(".log"), env=self._env, cwd=self.folder
            )
            eventually(self._answers, within=60, what=f"{self.backend} answers: {self.log()}")
            with self.engine("").begin() as connection:
                connection.exec_driver_sql("CREATE DATABASE shop") if self.backend == "mysql" else None
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            end(self._child, grace=10)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.with_suffix(".log").unlink(missing_ok=True)

    def log(self) -> str:
        """The end of what it has said."""
        path = self.folder.with_suffix(".log")
        return path.read_text(errors="replace")[-2_000:] if path.exists() else ""

    def engine(self, database: str = "shop") -> sa.Engine:
        """An engine of its own, to write with."""
        url = sa.make_url(self.url)
        return sa.create_engine(url._replace(database=database or None), poolclass=sa.NullPool)

    def _answers(self) -> bool:
        if self._child is not None and self._child.poll() is not None:
            raise ToolUnavailableError(f"{self.backend} has ended: {self.log()}")
        try:
            with self.engine("").connect():
                return True
        except sa.exc.OperationalError:
            return False


class PostgreSql(DatabaseServer):
    """PostgreSQL, whichever version there is."""

    backend = "postgresql"

    @property
    def url(self) -> str:
        """As the only user there is."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def engine(self, database: str = "shop") -> sa.Engine:  # noqa: ARG002 - it has a database of its own at once
        """An engine of the database ``postgres``."""
        return sa.create_engine(self.url, poolclass=sa.NullPool)

    def _prepare(self) -> None:
        self._bin = _postgres_programs()
        done = subprocess.run(
            _as_nobody(
                [
                    str(self._bin / "initdb"),
                    "-D",
                    str(self.folder / "data"),
                    "-U",
                    "postgres",
                    "-A",
                    "trust",
                    "-E",
                    "UTF8",
                    "-N",
                ]
            ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=self.folder,
        )
        if done.returncode != 0:
            raise ToolUnavailableError(f"initdb fails: {done.stderr.strip()[-500:]}")

    def _command(self) -> list[str]:
        options = (
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "listen_addresses=127.0.0.1",
            "jit=off",
        )
        settings = [part for option in options for part in ("-c", option)]
        return [
            str(self._bin / "postgres"),
            "-D",
            str(self.folder / "data"),
            "-p",
            str(self.port),
            "-k",
            str(self.folder),
            *settings,
        ]


class MariaDb(DatabaseServer):
    """MariaDB, which speaks MySQL's protocol."""

    backend = "mysql"

    @property
    def url(self) -> str:
        """As anybody: it knows no users."""
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/shop"

    def _prepare(self) -> None:
        self._program = find_tool("mariadbd", "mariadb-server-core")
        (self.folder / "data").mkdir()
        if os.geteuid() == 0:
            user = pwd.getpwnam(_NOBODY)
            os.chown(self.folder / "data", user.pw_uid, user.pw_gid)
        store = next((parent for parent in self._program.parents if parent.name == "mariadb-server-core"), None)
        self._share = Path("/usr/share/mysql") if store is None else store / "usr/share/mysql"
        if store is not None:
            for names in _MARIADB_LIBRARIES:
                fetch_library(names)
            folders = {str(found.parent) for found in store.parent.glob("lib*/usr/lib/**/*.so*")}
            folders |= {str(found.parent) for found in store.parent.glob("lib*/lib/**/*.so*")}
            self._env["LD_LIBRARY_PATH"] = os.pathsep.join(sorted(folders))

    def _command(self) -> list[str]:
        return [
            str(self._program),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--lc-messages-dir={self._share}",
            f"--character-sets-dir={self._share / 'charsets'}",
            f"--socket={self.folder / 'socket'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-grant-tables",
            "--skip-networking=0",
            "--innodb-flush-log-at-trx-commit=0",
            # It begins with empty files, written whole: small ones.
            "--innodb-log-file-size=4M",
            "--innodb-buffer-pool-size=16M",
            "--innodb-doublewrite=OFF",
            "--character-set-server=utf8mb4",
        ]


def served(kind: type[DatabaseServer]) -> Iterator[DatabaseServer]:
    """A server for as long as a fixture lasts; skips with the reason where there is none."""
    server = kind()
    try:
        server.__enter__()
    except ToolUnavailableError as reason:
        pytest.skip(f"not run with a real {server.backend}: {reason}")
    try:
        yield server
    finally:
        server.__exit__()


def fetch_library(names: tuple[str, ...]) -> None:
    """Unpack the first of these packages that there is; without any the machine may have the library all the same."""
    for package in names:
        with contextlib.suppress(ToolUnavailableError):
            unpacked(package)
            return


def _postgres_programs() -> Path:
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    reasons = []
    for package in _POSTGRES:
        try:
            return find_tool("initdb", package).resolve().parent
        except ToolUnavailableError as reason:
            reasons.append(str(reason))
    raise ToolUnavailableError("; ".join(reasons))


def _as_nobody(command: list[str]) -> list[str]:
    """The command as a user without rights, where this one has all, and to be killed with its parent."""
    if os.geteuid() != 0:
        return command
    setpriv = find_tool("setpriv", "util-linux")
    user = pwd.getpwnam(_NOBODY)
    return [
        str(setpriv),
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        "--pdeathsig=KILL",
        *command,
    ]
