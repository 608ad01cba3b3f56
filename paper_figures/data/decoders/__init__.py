"""Decoders of variational autoencoders trained on digits of MNIST: README.md says how."""
