package node

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/aws/aws-sdk-go/service/sts"
	"sigs.k8s.io/aws-iam-authenticator/pkg/token"
)

// TokenMain prints the credential kubelet joins with: a signed request for the
// role's identity, bound to one cluster's name.
func TokenMain(ctx context.Context, args []string) error {
	var who identity
	flags := flag.NewFlagSet("eks-token", flag.ContinueOnError)
	who.register(flags)
	cluster := flags.String("cluster", "", "the cluster the token is for")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *cluster == "" {
		return errors.New("--cluster is needed")
	}
	if err := who.validate(); err != nil {
		return err
	}
	aws, err := who.session(ctx)
	if err != nil {
		return err
	}
	generator, err := token.NewGenerator(false, false)
	if err != nil {
		return err
	}
	made, err := generator.GetWithSTS(*cluster, sts.New(aws))
	if err != nil {
		return fmt.Errorf("signing the token: %w", err)
	}
	fmt.Println(generator.FormatJSON(made))
	return nil
}
