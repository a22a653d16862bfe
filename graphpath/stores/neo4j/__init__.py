"""A store on a Neo4j server, 5.26 or newer, through the official driver (extra ``neo4j``)."""

from graphpath.stores.neo4j.address import find_password
from graphpath.stores.neo4j.bulk import BulkReport
from graphpath.stores.neo4j.store import Neo4jStore

__all__ = ["BulkReport", "Neo4jStore", "find_password"]
