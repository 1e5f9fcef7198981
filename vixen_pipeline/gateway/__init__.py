"""The HTTP edge: signed webhooks land in one table, and operators' probes are answered.

Belongs here: verify, insert one row, answer. Does not: reading a delivery's JSON, providers,
Dagster. `python -m vixen_pipeline.gateway` serves it; `create_app` makes it for tests.
"""
