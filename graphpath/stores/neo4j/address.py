"""Where a server is and who asks: the URI, the user and where the password comes from."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from graphpath.errors import StoreUnavailable

SCHEMES: Final = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
USER: Final = "neo4j"
DATABASE: Final = "neo4j"
VARIABLES: Final = ("GRAPHPATH_NEO4J_PASSWORD", "NEO4J_PASSWORD")


@dataclass(frozen=True)
class Address:
    """A database of a server. ``password`` None means that none is known: a server without any is tried."""

    uri: str
    user: str = USER
    database: str = DATABASE
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(
        cls, uri: str, *, user: str | None = None, password: str | None = None, database: str | None = None
    ) -> Address:
        """The address that ``uri`` names; the password is looked for where none is given.

        ``neo4j://maria@host`` says the user. Raises StoreUnavailable for a URI that is none, or that holds
        a password.
        """
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError as error:
            raise StoreUnavailable(f"{uri!r} is no address of a server: {error}.") from error
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise StoreUnavailable(f"{uri!r} is no address of a Neo4j server: write neo4j://HOST:PORT.")
        if parts.password is not None:
            raise StoreUnavailable(
                f"The address of the server at {parts.hostname} holds a password, which others could see: "
                f"leave it out and set ${VARIABLES[0]}."
            )
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        place = host if port is None else f"{host}:{port}"
        bare = urlunsplit((parts.scheme, place, "", parts.query, ""))
        known = password if password is not None else find_password(bare)
        return cls(bare, user or parts.username or USER, database or DATABASE, known)

    def set_password(self, password: str) -> Address:
        return replace(self, password=password)


def find_password(uri: str) -> str | None:
    """The password for ``uri``: that of the environment, or of the server that graphpath runs."""
    for variable in VARIABLES:
        if value := os.environ.get(variable):
            return value
    from graphpath.server import read_stored_password

    return read_stored_password(uri)
