// Command pause holds a pod's namespaces open and does nothing else.
//
// It is the first process of every pod. Pods do not share a process namespace
// here, so there are no children to reap.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}
