"""Stored events to the image of a view: reads the database, caches the window, builds on a thread of its own. No Qt."""
