"""Which files a container needs to start: told by its makers, or read from its config, ELF and script headers."""
