// Command sandboxtools is the sandbox's own part of Kubernetes: what EKS runs
// beside a control plane and on a node, and what assembles images without Docker.
//
// Kubelet finds its credential provider by a name without arguments, so the name
// the program is called by picks the subcommand as well as the first argument.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"slipway/sandbox/tools/image"
	"slipway/sandbox/tools/node"
	"slipway/sandbox/tools/nodeinit"
	"slipway/sandbox/tools/pauseimage"
	"slipway/sandbox/tools/webhook"
)

// commands are the subcommands; each takes the arguments after its own name.
var commands = map[string]func(context.Context, []string) error{
	"webhook":             webhook.Main,
	"credential-provider": node.CredentialProviderMain,
	"eks-token":           node.TokenMain,
	"node-init":           nodeinit.Main,
	"image":               image.Main,
	"pause-image":         pauseimage.Main,
}

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	if commands[name] == nil {
		if len(args) == 0 || commands[args[0]] == nil {
			fmt.Fprintf(os.Stderr, "usage: sandboxtools COMMAND [ARGUMENT ...], where COMMAND is one of %v\n", names())
			os.Exit(2)
		}
		name, args = args[0], args[1:]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := commands[name](ctx, args); err != nil {
		fmt.Fprintf(os.Stderr, "sandboxtools %s: %v\n", name, err)
		os.Exit(1)
	}
}

func names() []string {
	all := make([]string, 0, len(commands))
	for name := range commands {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
