"""Layers on images and signals: convolutions, pools, resampling, and changes of shape."""
