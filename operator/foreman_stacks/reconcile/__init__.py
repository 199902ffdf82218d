"""One pass over one object: read, gather, decide, intend, act, report."""
