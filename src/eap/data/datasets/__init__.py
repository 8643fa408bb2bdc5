"""Adapters: one small module per dataset, which reads that dataset's own layout and file names."""
