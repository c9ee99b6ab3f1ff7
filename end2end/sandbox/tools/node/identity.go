// Package node is a node's AWS identity: the credentials of its role, the token it
// joins its cluster with, and the registry password it pulls images with.
package node

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/sts"
)

// renewBefore is how long before their end credentials are replaced, so that none
// ends in the middle of a call.
const renewBefore = 5 * time.Minute

// identity says which instance this is and where its credentials come from.
type identity struct {
	endpoint   string
	region     string
	roleARN    string
	instanceID string
	cache      string
}

func (i *identity) register(flags *flag.FlagSet) {
	flags.StringVar(&i.endpoint, "endpoint", "", "the AWS endpoint")
	flags.StringVar(&i.region, "region", "", "the region")
	flags.StringVar(&i.roleARN, "role-arn", "", "the node role")
	flags.StringVar(&i.instanceID, "instance-id", "", "the instance's id, which names the role's session")
	flags.StringVar(&i.cache, "cache", "", "a private file that keeps the role's credentials between calls")
}

func (i *identity) validate() error {
	if i.endpoint == "" || i.region == "" || i.roleARN == "" || i.instanceID == "" || i.cache == "" {
		return errors.New("--endpoint, --region, --role-arn, --instance-id and --cache are all needed")
	}
	return nil
}

// session opens an AWS session as the node's role.
func (i *identity) session(ctx context.Context) (*session.Session, error) {
	keys, err := i.credentials(ctx)
	if err != nil {
		return nil, err
	}
	return i.open(credentials.NewStaticCredentials(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken))
}

func (i *identity) open(keys *credentials.Credentials) (*session.Session, error) {
	return session.NewSession(&aws.Config{
		Endpoint:    aws.String(i.endpoint),
		Region:      aws.String(i.region),
		Credentials: keys,
	})
}

type roleCredentials struct {
	AccessKeyID     string    `json:"accessKeyId"`
	SecretAccessKey string    `json:"secretAccessKey"`
	SessionToken    string    `json:"sessionToken"`
	Expires         time.Time `json:"expires"`
}

// credentials gives the role's credentials, as the instance metadata service would.
func (i *identity) credentials(ctx context.Context) (roleCredentials, error) {
	kept, err := i.kept()
	if err != nil {
		return roleCredentials{}, err
	}
	if time.Until(kept.Expires) > renewBefore {
		return kept, nil
	}
	made, err := i.assume(ctx)
	if err != nil {
		return roleCredentials{}, fmt.Errorf("taking the node role: %w", err)
	}
	return made, i.keep(made)
}

// assume plays the EC2 service, the only one that may hand an instance its role.
// The emulator takes keys that begin with "test" for AWS's own.
func (i *identity) assume(ctx context.Context) (roleCredentials, error) {
	service, err := i.open(credentials.NewStaticCredentials("test", "test", ""))
	if err != nil {
		return roleCredentials{}, err
	}
	answer, err := sts.New(service).AssumeRoleWithContext(ctx, &sts.AssumeRoleInput{
		RoleArn:         aws.String(i.roleARN),
		RoleSessionName: aws.String(i.instanceID),
	})
	if err != nil {
		return roleCredentials{}, err
	}
	keys := answer.Credentials
	if keys == nil || keys.AccessKeyId == nil || keys.SecretAccessKey == nil || keys.SessionToken == nil || keys.Expiration == nil {
		return roleCredentials{}, errors.New("the answer has no credentials")
	}
	return roleCredentials{*keys.AccessKeyId, *keys.SecretAccessKey, *keys.SessionToken, *keys.Expiration}, nil
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
