"""The `chrysalis` command: a client of the server's own REST, and the way to start that server on one machine."""
