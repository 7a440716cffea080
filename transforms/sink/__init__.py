"""Parquet parts a shard at a time, what is noted about them, and the commit."""
