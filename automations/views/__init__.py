"""The pages of what is sent: rules, destinations, the log. For administrators."""
