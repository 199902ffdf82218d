"""Kubernetes: the port, and its adapter on the official client."""
