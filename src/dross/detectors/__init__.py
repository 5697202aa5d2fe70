"""One file per method; `dross.registry` lists them by name."""
