"""`/api/v1/admin`: what operators do and see. Every act is journaled with who (the account of their user) and why."""
