"""A subdivision in many dimensions: cells by their corners, and faces only when asked for."""
