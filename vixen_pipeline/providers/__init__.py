"""Clients of the world outside, one module per provider, behind the ports in `ports.py`."""
