"""What the detectors share that generate images: objectives, scores, the latent search, the guard."""
