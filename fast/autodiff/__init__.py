"""log p(x) as a function that torch and JAX differentiate, each imported where it is used alone."""
