"""Figure 16: imputation, by the exact conditional of a deep generative network and by others."""
