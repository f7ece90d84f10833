"""Storage of events: schema, writer, reader. Uses no socket and no screen."""
