"""A real Kubernetes with Knative on this machine, and the tests that need one (README.md tells how)."""
