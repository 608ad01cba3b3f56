"""What finding a partition costs, before it is found: regions, seconds and memory."""
