"""The only place, with `app`, that knows Kopf: login, start and end of the engine, watch events into the queue."""
