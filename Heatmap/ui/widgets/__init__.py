"""Widgets beside and above the map: settings tab, legend, tooltip, status."""
