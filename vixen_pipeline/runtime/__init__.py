"""Local processes: the supervisor of `vixen up` and what it needs. Not: what the processes do."""
