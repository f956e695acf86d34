"""WebSocket streams: what happens in the venue, told to many clients at once. docs/streams.md has every message."""
