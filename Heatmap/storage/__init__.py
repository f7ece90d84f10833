"""The record: schema, writer, reader. Knows no socket and no screen."""
