"""What keeps passes going: the queue, its workers, the store of what was seen, and one poller per server."""
