"""The pages of activities, and what is done to one in place."""
