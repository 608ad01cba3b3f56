"""Modules of torch as layers, and the comparison with the modules themselves."""
