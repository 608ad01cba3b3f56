"""Templates of the pages of results."""
