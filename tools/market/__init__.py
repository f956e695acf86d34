"""Real order flow into a running core: what `tools market` is made of. docs/market-replay.md has the rules."""
