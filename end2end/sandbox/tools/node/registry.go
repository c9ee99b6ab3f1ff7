package node

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go/service/ecr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	provider "k8s.io/kubelet/pkg/apis/credentialprovider/v1"
)

// CredentialProviderMain answers one request of kubelet, read from standard input,
// with the password ECR gives the node's role.
func CredentialProviderMain(ctx context.Context, args []string) error {
	var who identity
	flags := flag.NewFlagSet("credential-provider", flag.ContinueOnError)
	who.register(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := who.validate(); err != nil {
		return err
	}
	if err := checkRequest(os.Stdin); err != nil {
		return err
	}
	aws, err := who.session(ctx)
	if err != nil {
		return err
	}
	answer, err := ecr.New(aws).GetAuthorizationTokenWithContext(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return fmt.Errorf("asking ECR for a token: %w", err)
	}
	response, err := credentialFor(answer.AuthorizationData, time.Now())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(response)
}

func checkRequest(from io.Reader) error {
	var request provider.CredentialProviderRequest
	if err := json.NewDecoder(from).Decode(&request); err != nil {
		return fmt.Errorf("reading kubelet's request: %w", err)
	}
	if request.APIVersion != provider.SchemeGroupVersion.String() || request.Image == "" {
		return fmt.Errorf("kubelet asked for %q as %q, not for an image as %s", request.Image, request.APIVersion, provider.SchemeGroupVersion)
	}
	return nil
}

// credentialFor turns ECR's answer into kubelet's. It is kept for half its life,
// so that a pull never starts with one about to end.
func credentialFor(data []*ecr.AuthorizationData, now time.Time) (*provider.CredentialProviderResponse, error) {
	if len(data) != 1 || data[0].AuthorizationToken == nil || data[0].ProxyEndpoint == nil || data[0].ExpiresAt == nil {
		return nil, errors.New("ECR's answer is not one token with its endpoint and end")
	}
	plain, err := base64.StdEncoding.DecodeString(*data[0].AuthorizationToken)
	if err != nil {
		return nil, fmt.Errorf("reading ECR's token: %w", err)
	}
	user, password, found := strings.Cut(string(plain), ":")
	if !found {
		return nil, errors.New("ECR's token is not a user and a password")
	}
	_, registry, found := strings.Cut(*data[0].ProxyEndpoint, "://")
	if !found {
		return nil, fmt.Errorf("ECR's endpoint %q is not a URL", *data[0].ProxyEndpoint)
	}
	return &provider.CredentialProviderResponse{
		TypeMeta:      metav1.TypeMeta{APIVersion: provider.SchemeGroupVersion.String(), Kind: "CredentialProviderResponse"},
		CacheKeyType:  provider.RegistryPluginCacheKeyType,
		CacheDuration: &metav1.Duration{Duration: data[0].ExpiresAt.Sub(now) / 2},
		Auth:          map[string]provider.AuthConfig{strings.TrimSuffix(registry, "/"): {Username: user, Password: password}},
	}, nil
}
