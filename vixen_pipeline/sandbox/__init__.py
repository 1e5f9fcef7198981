"""Local stand-ins that speak each provider's wire protocol; one server, one process.

Belongs here: what a provider would do. Does not: anything of the pipeline, which must never know
whether it talks to this or to the real thing. Only settings, errors, clock and db are imported.
"""
