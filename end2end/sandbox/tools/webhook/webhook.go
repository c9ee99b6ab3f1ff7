// Package webhook answers what EKS answers for its API servers: whose token this
// is (TokenReview), and what the principal's access policies allow
// (SubjectAccessReview). One process serves every cluster of a sandbox, each
// under a path of its own.
package webhook

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	"sigs.k8s.io/aws-iam-authenticator/pkg/metrics"
)

// maxReview is the most a review may be long, in bytes. Tokens are under 4 KiB and
// users carry a handful of groups.
const maxReview = 1 << 20

// Main serves until ctx ends.
func Main(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("webhook", flag.ContinueOnError)
	listen := flags.String("listen", "", "address to serve on")
	certificate := flags.String("tls-cert", "", "certificate to serve with")
	key := flags.String("tls-key", "", "its private key")
	clusters := flags.String("clusters", "", "folder with a file for each cluster")
	gateway := flags.String("gateway", "", "URL of the AWS gateway")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *listen == "" || *certificate == "" || *key == "" || *clusters == "" || *gateway == "" {
		return errors.New("--listen, --tls-cert, --tls-key, --clusters and --gateway are all needed")
	}
	// The mapper counts failed watches, and there is nothing to count with before this.
	metrics.InitMetrics(prometheus.NewRegistry())

	known := newClusters(*clusters)
	go known.follow(ctx)
	server := &http.Server{
		Addr:              *listen,
		Handler:           routes(known, newGateway(*gateway)),
		ReadHeaderTimeout: 5 * time.Second,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12},
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServeTLS(*certificate, *key) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		return server.Shutdown(grace)
	}
}

func routes(known *clusters, aws *gateway) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("POST /clusters/{cluster}/authenticate", review(known,
		func(ctx context.Context, c cluster, asked *authentication.TokenReview) error {
			return authenticate(ctx, aws, c, asked)
		}))
	mux.HandleFunc("POST /clusters/{cluster}/authorize", review(known,
		func(ctx context.Context, c cluster, asked *authorization.SubjectAccessReview) error {
			return authorize(ctx, aws, c, asked)
		}))
	return mux
}

// review reads an object, lets answer fill in its status and sends it back. An
// error becomes a 500, which the API server logs and takes for a refusal.
func review[T any](known *clusters, answer func(context.Context, cluster, *T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked T
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxReview)).Decode(&asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c, err := known.get(r.PathValue("cluster"))
		if err == nil {
			err = answer(r.Context(), c, &asked)
		}
		if err != nil {
			slog.Error("review failed", "path", r.URL.Path, "error", err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(&asked); err != nil {
			slog.Error("sending a review", "path", r.URL.Path, "error", err)
		}
	}
}
