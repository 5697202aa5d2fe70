"""Tasks that make their own labels: views of images to be told apart, and what learns to do it."""
