"""run: one attempt of a job becomes one Kubernetes Job, and its end becomes a verdict."""
