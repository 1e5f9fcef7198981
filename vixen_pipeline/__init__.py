"""The Dagster-free core of Vixen Pipeline: virtual creators run as one asset graph."""
