"""The page on which people build an endpoint's mapping from a sample of what comes in."""
