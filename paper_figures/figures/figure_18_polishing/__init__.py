"""Figure 18: trained VAEs polished by exact EM."""
