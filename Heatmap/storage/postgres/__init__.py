"""The record on a PostgreSQL server; needs the extra ``postgres``, and is imported only for such an address."""
