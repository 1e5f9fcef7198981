"""The safety policy, without Dagster: what may be said, shown and claimed, asked at every door."""
