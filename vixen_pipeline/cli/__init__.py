"""The `vixen` command. Every module here that has `register(app)` adds its commands."""
