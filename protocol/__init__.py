"""Every byte that crosses a process boundary, socket or disk. Imports nothing of ours; the formats are in README.md."""
