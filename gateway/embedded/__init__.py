"""One machine: local twins of what a cluster gives (broker, launcher, sweep tick, web server), and their wiring."""
