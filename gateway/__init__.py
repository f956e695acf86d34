"""The gateway: HTTP and WebSocket in front of the core. Holds no truth; run as many of them as you like."""
