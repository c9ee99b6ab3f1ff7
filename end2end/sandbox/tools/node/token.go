package node

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"time"

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
	made, err := sign(sts.New(aws), *cluster)
	if err != nil {
		return fmt.Errorf("signing the token: %w", err)
	}
	generator, err := token.NewGenerator(false, false)
	if err != nil {
		return err
	}
	fmt.Println(generator.FormatJSON(made))
	return nil
}

// sign makes an EKS token. Upstream's generator asks for a presigned URL that lives no
// second at all, which STS ignores and the emulator refuses.
func sign(service *sts.STS, cluster string) (token.Token, error) {
	request, _ := service.GetCallerIdentityRequest(&sts.GetCallerIdentityInput{})
	request.HTTPRequest.Header.Set("x-k8s-aws-id", cluster)
	url, err := request.Presign(time.Minute)
	if err != nil {
		return token.Token{}, err
	}
	// EKS takes it for 15 minutes after it was signed; a minute early is on the safe side.
	return token.Token{
		Token:      "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(url)),
		Expiration: time.Now().Add(14 * time.Minute),
	}, nil
}
