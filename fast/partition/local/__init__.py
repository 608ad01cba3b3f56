"""Boxes of latent space: what units do in them, and the pieces into which those that bend cut them."""
