"""Foreman Stacks: deploys whole multi-host systems with Foreman and Puppet, in order."""
