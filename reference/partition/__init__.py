"""The walk over facets that finds every region."""
