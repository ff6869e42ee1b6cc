"""One node: the parts of a cluster, from built programs to a Ready node with Knative, and down again.

A node is one process tree in mount, network and PID namespaces of its own (`init.py` is its first process): when that
process ends, by `down` or by a kill -9, the kernel takes every daemon, container, mount and interface with it. Only
cgroups, the data folder and the logs are left; `down` removes the first two and so does the next `up`.
"""
