"""Graph stores: indexes over traces that answer Cypher (DESIGN §6)."""
