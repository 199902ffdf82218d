"""Besides `app`, the only user of Kopf: login, start and end of the engine, watch events into the queue."""
