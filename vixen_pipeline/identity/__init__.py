"""System 1: a described avatar becomes an identity with trained weights."""
