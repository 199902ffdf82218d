"""A simulated Foreman 3.12 with the real HTTP API; see README.md."""
