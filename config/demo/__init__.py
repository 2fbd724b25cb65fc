"""The demo: a Brazilian sales team with its deals, and the outside system that they talk to."""
