"""Foreman: the port (queries, changes, records), its HTTP client and the adapter between them."""
