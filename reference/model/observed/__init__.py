"""Data of which some entries are not observed, and the network of those that are."""
