// Command kwok simulates nodes: it keeps their leases alive and turns their pods Ready.
//
// It is upstream's kwok with the fast node and pod stages built in; without any
// stage it would watch and do nothing. It is a module of its own because it needs
// newer Kubernetes libraries than the programs it serves.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	nodestages "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	podstages "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kwok:", err)
		os.Exit(1)
	}
}

func run() error {
	path, err := stages()
	if err != nil {
		return err
	}
	os.Args = append(os.Args, "--config="+path)

	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err = config.InitFlags(ctx, flags)
	if err != nil {
		return fmt.Errorf("reading the built-in stages: %w", err)
	}
	command := cmd.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	return command.ExecuteContext(ctx)
}

// stages gives the built-in stages as a path, the only form kwok takes its
// configuration in. A pipe leaves no file behind.
func stages() (string, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return "", err
	}
	all := strings.Join([]string{
		nodestages.DefaultNodeInit, podstages.DefaultPodReady, podstages.DefaultPodComplete, podstages.DefaultPodDelete,
	}, "\n---\n")
	go func() {
		defer writer.Close()
		// A reader that went away shows as an error where kwok reads the stages.
		_, _ = writer.WriteString(all)
	}()
	return fmt.Sprintf("/proc/self/fd/%d", reader.Fd()), nil
}
