"""Data of which some entries are not observed: rows grouped by what is observed of them."""
