"""What every S shares, and the protocol that both models keep."""
