# Everything a person types. Each target installs what it needs and is missing.
.DEFAULT_GOAL := help
.PHONY: help demo dev sandbox stop test check bench tools site

help: ## Say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

demo: ## Build everything, start a sandbox and Slipway in it, deploy a model; Ctrl-C ends it
	@scripts/demo.sh

dev: ## The same without the deployed model, rebuilt and restarted when a source changes
	@scripts/dev.sh

sandbox: ## Only the sandbox: an AWS API with real Kubernetes behind it
	@scripts/sandbox.sh

stop: ## End a demo, dev, sandbox or test of this checkout and remove what it left
	@scripts/stop.sh

test: ## Prove everything: check, unit, integration and sandbox tests, journeys in a browser
	@scripts/test.sh

check: ## Formatting, lints, prepared queries, licences, unused dependencies
	@scripts/check.sh

bench: ## Print the numbers this project holds itself to
	@scripts/bench.sh

tools: ## Install every tool, and build nothing of Slipway
	@scripts/install.sh

site: ## Build what a browser loads
	@scripts/site.sh
