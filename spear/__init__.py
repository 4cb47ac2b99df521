"""SPEAR: exact gradient inversion of batches in federated learning (NeurIPS 2024)."""
