"""Data files: digits of MNIST, and decoders trained on them. LICENSE.md says whose they are."""
