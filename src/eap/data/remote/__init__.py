"""Fetching a dataset: what to fetch, one file, an archive, the whole."""
