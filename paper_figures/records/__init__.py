"""Computed once, found again: runs, numbers, pictures and the pages that show them."""
