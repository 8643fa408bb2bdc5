"""Metrics of the supplement's section B.1 and the stage that computes them with their controls."""
