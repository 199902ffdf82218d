"""The passes over objects: read, gather, decide, intend, act, report."""
