"""From media files to training windows: catalog, frames, landmarks, mel, pseudo labels, splits, batches."""
