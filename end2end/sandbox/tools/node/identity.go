// Package node is a node's AWS identity: the credentials of its role, the token it
// joins its cluster with, and the registry password it pulls images with.
package node

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
)

// renewBefore is how long before their end credentials are replaced, so that none
// ends in the middle of a call.
const renewBefore = 5 * time.Minute

// identity says which instance this is, and where AWS is.
type identity struct {
	endpoint   string
	region     string
	instanceID string
	cache      string
}

func (i *identity) register(flags *flag.FlagSet) {
	flags.StringVar(&i.endpoint, "endpoint", "", "the AWS endpoint")
	flags.StringVar(&i.region, "region", "", "the region")
	flags.StringVar(&i.instanceID, "instance-id", "", "the instance's id")
	flags.StringVar(&i.cache, "cache", "", "a private file that keeps the role's credentials between calls")
}

func (i *identity) validate() error {
	if i.endpoint == "" || i.region == "" || i.instanceID == "" || i.cache == "" {
		return errors.New("--endpoint, --region, --instance-id and --cache are all needed")
	}
	return nil
}

// session opens an AWS session as the node's role.
func (i *identity) session(ctx context.Context) (*session.Session, error) {
	keys, err := i.credentials(ctx)
	if err != nil {
		return nil, err
	}
	return session.NewSession(&aws.Config{
		Endpoint:    aws.String(i.endpoint),
		Region:      aws.String(i.region),
		Credentials: credentials.NewStaticCredentials(keys.AccessKeyID, keys.SecretAccessKey, keys.Token),
	})
}

// roleCredentials are as the instance metadata service spells them.
type roleCredentials struct {
	AccessKeyID     string    `json:"AccessKeyId"`
	SecretAccessKey string    `json:"SecretAccessKey"`
	Token           string    `json:"Token"`
	Expiration      time.Time `json:"Expiration"`
}

// credentials gives the role's credentials, kept from an earlier call or new.
func (i *identity) credentials(ctx context.Context) (roleCredentials, error) {
	kept, err := i.kept()
	if err != nil {
		return roleCredentials{}, err
	}
	if time.Until(kept.Expiration) > renewBefore {
		return kept, nil
	}
	made, err := i.ask(ctx)
	if err != nil {
		return roleCredentials{}, fmt.Errorf("asking for the node role's credentials: %w", err)
	}
	return made, i.keep(made)
}

// ask gets new credentials from what stands for the instance metadata service.
func (i *identity) ask(ctx context.Context) (roleCredentials, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var made roleCredentials
	address := fmt.Sprintf("%s/_sandbox/instances/%s/credentials", strings.TrimSuffix(i.endpoint, "/"), url.PathEscape(i.instanceID))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return made, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return made, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return made, err
	}
	if response.StatusCode != http.StatusOK {
		return made, fmt.Errorf("%s: %s", response.Status, body)
	}
	if err := json.Unmarshal(body, &made); err != nil {
		return made, err
	}
	if made.AccessKeyID == "" || made.SecretAccessKey == "" || made.Token == "" || made.Expiration.IsZero() {
		return made, errors.New("the answer is not a key, a secret, a token and an end")
	}
	return made, nil
}

func (i *identity) kept() (roleCredentials, error) {
	var kept roleCredentials
	body, err := os.ReadFile(i.cache)
	if errors.Is(err, os.ErrNotExist) {
		return kept, nil
	}
	if err != nil {
		return kept, err
	}
	return kept, json.Unmarshal(body, &kept)
}

// keep replaces the file whole, since kubelet runs several of us at once.
func (i *identity) keep(made roleCredentials) error {
	body, err := json.Marshal(made)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(i.cache), ".credentials-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err := file.Write(body); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), i.cache)
}
