"""The chart page: bridge, frame synchronisation, transparency, JavaScript."""
