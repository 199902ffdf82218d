"""Frozen records that all layers share; nothing here does I/O."""
