"""Helpers that several test files share: `from support import …`; pytest's `pythonpath` finds them."""
