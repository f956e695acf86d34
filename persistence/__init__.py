"""Makes Postgres say what the journal says: rows, market data, settlement. Never in the core's way."""
