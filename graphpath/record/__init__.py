"""The record: a trace as a directory of Parquet files (DESIGN §5)."""
