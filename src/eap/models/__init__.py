"""Networks. Pure `torch.nn` modules: they know no paths, no losses and no configuration files."""
