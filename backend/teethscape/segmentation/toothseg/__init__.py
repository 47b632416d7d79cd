"""ToothSeg: small U-Nets that learn from unlabelled pictures, then segment with few labels (seed 003)."""
