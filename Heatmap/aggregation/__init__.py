"""The pure heart: events to image. Knows no Qt, no socket, no SQL."""
