"""`/api/v1/admin`: what operators do and see. Every act is journaled with who (the account of their user) and why."""

from gateway.admin import accounts, audit, books, connections, fees, figures, health, limits, markets, settlement

FILES = (health, figures, books, connections, settlement, audit, markets, accounts, limits, fees)
