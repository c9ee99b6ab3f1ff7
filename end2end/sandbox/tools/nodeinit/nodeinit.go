// Package nodeinit is the first process of a node's process namespace.
//
// When it ends, the kernel ends every process of the node with it: container
// runtime, kubelet, shims and containers. That is what lets a sandbox stop,
// or be killed, without leaving one behind.
package nodeinit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Main reaps orphans until ctx ends. Container shims detach from their parents,
// so they all end up as children of the first process.
func Main(ctx context.Context, _ []string) error {
	if os.Getpid() != 1 {
		return errors.New("node-init has to be process 1 of a namespace of its own")
	}
	child := make(chan os.Signal, 1)
	signal.Notify(child, syscall.SIGCHLD)
	fmt.Println("node namespaces ready")
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-child:
			if err := reap(); err != nil {
				return err
			}
		}
	}
}

// reap collects every child that has ended; one signal may stand for several.
func reap() error {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.ECHILD), err == nil && pid == 0:
			return nil
		case err != nil:
			return fmt.Errorf("waiting for children: %w", err)
		}
	}
}
