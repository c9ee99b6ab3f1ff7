// Command kube is every Kubernetes program the sandbox needs, in one file.
//
// The programs share almost all of their code, so one binary builds once and
// takes a fraction of the disk six would. The first argument, or the name the
// binary is called by (a link named kubectl), says which one to be.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// programs holds the way into each program, by name. Each constructor registers
// flags and feature gates globally, so only the chosen one may be called.
var programs = map[string]func(context.Context){
	"etcd":                    func(context.Context) { etcdmain.Main(os.Args) },
	"kube-apiserver":          command(func(context.Context) *cobra.Command { return apiserver.NewAPIServerCommand() }),
	"kube-controller-manager": command(func(context.Context) *cobra.Command { return controllermanager.NewControllerManagerCommand() }),
	"kube-scheduler":          command(func(context.Context) *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubelet":                 command(kubelet.NewKubeletCommand),
	"kubectl":                 runKubectl,
}

func main() {
	if name := filepath.Base(os.Args[0]); programs[name] == nil {
		if len(os.Args) < 2 || programs[os.Args[1]] == nil {
			fmt.Fprintf(os.Stderr, "usage: kube PROGRAM [ARGUMENT ...], where PROGRAM is one of %v\n", names())
			os.Exit(2)
		}
		// The programs read os.Args themselves: give each the arguments it would have alone.
		os.Args = os.Args[1:]
	}
	programs[filepath.Base(os.Args[0])](context.Background())
}

func names() []string {
	all := make([]string, 0, len(programs))
	for name := range programs {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func command(build func(context.Context) *cobra.Command) func(context.Context) {
	return func(ctx context.Context) { os.Exit(cli.Run(build(ctx))) }
}

func runKubectl(context.Context) {
	// Plugins and kuberc are read while the command is built, before it has parsed -v itself.
	_, _ = logs.GlogSetter(kubectl.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
}
