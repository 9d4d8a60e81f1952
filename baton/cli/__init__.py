"""The command line: `baton demo`, `migrate`, `worker`, `show`, `cancel` and `retry`."""
