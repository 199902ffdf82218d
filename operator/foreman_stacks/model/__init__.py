"""Frozen records that every layer shares; nothing here talks to anyone."""
