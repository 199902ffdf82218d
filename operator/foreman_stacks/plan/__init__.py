"""Pure: from a Stack and a deployment to a plan, and from a plan and what is known of its hosts to plain values."""
