"""The front door of Chrysalis: REST, catalog, command line, and the wiring for one machine."""
