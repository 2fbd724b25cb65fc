"""What people fill in about sending; each form ends in a call of the door of its subject."""
