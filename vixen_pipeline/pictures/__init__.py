"""Pictures: decoding, measuring, scoring, verdicts, contact sheets. Not: making or storing any."""
