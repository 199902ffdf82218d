"""One file per kind of step, pure: its schema, and how it goes on."""
