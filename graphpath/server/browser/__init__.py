"""Neo4j Browser: its address with a named query filled in, its style, and files to import into it."""

from graphpath.server.browser.kit import export_kit
from graphpath.server.browser.link import build_address, query_text
from graphpath.server.style import grass, rules

__all__ = ["build_address", "export_kit", "grass", "query_text", "rules"]
