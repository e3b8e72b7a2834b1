"""`python -m certs.debug.command`."""

from certs.debug.command import main

main()
