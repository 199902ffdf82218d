"""Pure functions: compile a Stack and a deployment to a plan, and bind a plan to what is known of its hosts."""
