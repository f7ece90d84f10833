"""The feed: venues, connections and their succession, back-off, liveness. No database, no screen."""
