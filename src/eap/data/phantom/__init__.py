"""The phantom corpus: talking faces rendered with exact ground truth, so that nothing needs to be downloaded."""
