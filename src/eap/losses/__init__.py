"""One file per loss term of the supplement; `objective` adds them up with the config's weights."""
