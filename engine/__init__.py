"""The core: a pure exchange (`exchange.py`) and the thin shell that journals it and serves it over TCP."""

import sys

if sys.implementation.name == "pypy":
    import pypyjit

    # From frame to journal a command is traced as one piece, which takes more than the 6,000 operations of the default;
    # a path whose trace is given up runs at half the speed.
    pypyjit.set_param("trace_limit=12000")
