"""The feed: codec, socket session, back-off, liveness, exchange information. No database, no screen."""
