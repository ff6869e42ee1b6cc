"""Images, really built from the Dockerfiles beside the code, without a Docker engine (README.md)."""
