"""The record in an SQLite file."""
