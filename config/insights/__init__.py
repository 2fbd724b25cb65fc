"""What administrators watch: how sending, receiving and the workers are, and beside it what sales bring in."""
