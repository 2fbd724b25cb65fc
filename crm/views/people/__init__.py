"""The pages of contacts and of companies, which are the same for both as far as both have the same."""
