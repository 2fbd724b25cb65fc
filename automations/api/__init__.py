"""The REST API of what is sent: destinations, rules, deliveries, and the events as the schema describes them."""
