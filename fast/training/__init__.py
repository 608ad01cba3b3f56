"""From a start to a fit."""
