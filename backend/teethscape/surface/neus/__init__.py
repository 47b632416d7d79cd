"""NeuS: a signed distance field learnt by volume rendering (needs torch)."""
