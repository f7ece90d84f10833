"""Sentences for a connection that failed: libpq has words for it, and no code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import psycopg

# A server that speaks another language gets the last one, which has its own words.
_SENTENCES: Final = (
    (r"password authentication failed", "The database server refuses the password for {server}."),
    (
        r"no password supplied",
        "The database server wants a password for {server}: put it into ~/.pgpass, a service file or PGPASSWORD.",
    ),
    (r'database ".*" does not exist', "There is no database {server} on its server."),
    (r'role ".*" does not exist', "The database server does not know the user of {server}."),
    (r"permission denied for database", "The user of {server} may not connect to that database."),
    (r"pg_hba\.conf", "The database server does not let the user of {server} in from this machine (pg_hba.conf)."),
    (r"too many (clients|connections)", "The database server of {server} has no connection left."),
    (r"starting up|shutting down", "The database server of {server} is starting or stopping."),
    (r"Connection refused", "No database server listens at the address of {server}; does it run?"),
    (r"SSL|certificate", "The connection to {server} cannot be secured as asked for: {text}."),
    (r"", "The database server of {server} cannot be reached: {text}."),
)


def connect_sentence(error: psycopg.OperationalError) -> str:
    """Return a sentence for an error without a code, with ``{server}`` and ``{text}`` in it."""
    text = str(error)
    return next(sentence for pattern, sentence in _SENTENCES if re.search(pattern, text))
