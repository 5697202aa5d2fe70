"""Plain torch modules, usable on their own."""
