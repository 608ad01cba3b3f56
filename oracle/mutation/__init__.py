"""Systematic defects: the mutation score of the tests, and their coverage."""
