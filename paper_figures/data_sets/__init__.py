"""What is learned: points on curves and surfaces with their densities, and images of digits."""
