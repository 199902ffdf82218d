"""One file per kind of step, pure."""
