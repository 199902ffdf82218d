"""A Foreman 3.12 that speaks the real HTTP API: see README.md."""
