"""Figure 4: methods on the noisy circle; 4b: the same with another hidden layer."""
