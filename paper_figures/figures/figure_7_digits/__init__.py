"""Figure 7: methods on images of the digit 4."""
