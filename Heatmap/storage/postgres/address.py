"""The address of a record on a server."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import platformdirs
import psycopg

from Heatmap.errors import StorageError, UnusableDatabaseError


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """What libpq needs to connect; compared and hashed by `name`.

    Passwords belong into libpq's own places: ``.pgpass``, a service file, the environment.
    """

    name: str  # for people: ``postgresql://user@host:port/database``, without a password
    conninfo: str = field(repr=False, compare=False)
    password: str = field(default="", repr=False, compare=False)

    @classmethod
    def of(cls, text: str) -> ServerAddress:
        """Return the address of a text; `UnusableDatabaseError` if it cannot be one."""
        try:
            given = psycopg.conninfo.conninfo_to_dict(text)
        except psycopg.ProgrammingError:
            # The text may have a password in it, and libpq's sentence, too: neither may get into a traceback.
            shown = "postgresql://user@host/name"
            raise UnusableDatabaseError(
                f"expected an address like {shown}, and libpq cannot read the given one",
                short=f"The address of the database server cannot be read; expected one like {shown}.",
            ) from None
        user, host, port = (str(given.get(key) or "") for key in ("user", "host", "port"))
        place = f"{quote(user)}@" if user else ""
        place += quote(host, safe=":,[]") + (f":{port}" if port else "")
        name = f"postgresql://{place}/{quote(str(given.get('dbname') or ''))}"
        if service := given.get("service"):
            name += f"?service={quote(str(service))}"
        return cls(name, text, str(given.get("password") or ""))

    def local_file(self, kind: str) -> Path:
        """Return the path of a file of this machine about the record, in the user's data folder.

        ``kind`` is a word such as "copy". `StorageError` for a user without a home.
        """
        try:
            folder = Path(platformdirs.user_data_dir("Heatmap", appauthor=False)) / "server"
        except RuntimeError as error:
            raise StorageError(f"no data folder: {error}", short="This user has no home folder: set HOME.") from error
        words = "".join(char if char.isalnum() else "-" for char in self.name.removeprefix("postgresql://"))[:60]
        digest = hashlib.sha256(self.name.encode()).hexdigest()[:8]
        return folder / f"{words}-{digest}.{kind}.sqlite3"
