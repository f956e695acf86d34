"""The core: a pure exchange (`exchange.py`) and the thin shell that journals it and serves it over TCP."""
