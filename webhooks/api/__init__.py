"""The inbound side's resources of the REST API."""
