"""The engine, which runs passes: the queue, its workers, the store of what was seen, and one poller per server."""
