"""The feed: codec, socket session, back-off, liveness, exchange information. Knows no database and no screen."""
