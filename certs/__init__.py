"""For people: the `certs` command, and the local cloud that it runs on."""
