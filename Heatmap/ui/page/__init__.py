"""The chart page: its life under a plugin, bridge, frame synchronisation, transparency, JavaScript."""
