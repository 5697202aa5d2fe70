"""The papers' tables, repeated: data sets, seeded draws, runs and results."""
