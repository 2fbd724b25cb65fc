"""A real PostgreSQL for people who have none: a Django database backend that starts its own server."""
