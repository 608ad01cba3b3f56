"""Boxes of latent space, and the pieces into which the units that bend in them cut them."""
