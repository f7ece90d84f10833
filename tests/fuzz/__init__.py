"""Fuzzing of everything that comes from outside; ``PYTHONPATH=tests python -P -m fuzz 1000000`` is the long form."""
