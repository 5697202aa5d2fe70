"""Clusterings that tell ordinary rows from odd ones, for use on their own and inside detectors."""
