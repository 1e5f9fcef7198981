"""Typed configuration that yields core clients; the one place where Dagster meets settings."""
