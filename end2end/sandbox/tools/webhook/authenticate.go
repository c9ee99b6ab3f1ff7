package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	authentication "k8s.io/api/authentication/v1"
)

// authenticate fills in whom a token is from. A refusal is an answer too; an error
// means that nobody could tell.
func authenticate(ctx context.Context, aws *gateway, c cluster, asked *authentication.TokenReview) error {
	user, err := identify(ctx, aws, c, asked.Spec.Token)
	asked.Spec.Token = "" // Answers end up in logs.
	switch {
	case errors.Is(err, errRefused), errors.Is(err, errNotMapped):
		slog.Warn("access denied", "cluster", c.name, "reason", err)
		asked.Status = authentication.TokenReviewStatus{Error: err.Error()}
		return nil
	case err != nil:
		return err
	}
	asked.Status = authentication.TokenReviewStatus{Authenticated: true, User: *user}
	return nil
}

func identify(ctx context.Context, aws *gateway, c cluster, token string) (*authentication.UserInfo, error) {
	who, err := aws.verify(ctx, c.name, token)
	if err != nil {
		return nil, err
	}
	settings, err := aws.access(ctx, c.name)
	if err != nil {
		return nil, err
	}
	mapped, err := mapCaller(settings, c, who)
	if err != nil {
		return nil, err
	}
	// STS gives a role's id and the session's name as one; EKS shows the id alone.
	principal, _, _ := strings.Cut(who.UserID, ":")
	return &authentication.UserInfo{
		Username: mapped.username,
		UID:      fmt.Sprintf("aws-iam-authenticator:%s:%s", who.AccountID, principal),
		Groups:   mapped.groups,
		Extra: map[string]authentication.ExtraValue{
			"arn":          {who.ARN},
			extraPrincipal: {who.CanonicalARN},
			"accessKeyId":  {who.AccessKeyID},
			"sessionName":  {who.SessionName},
			"principalId":  {principal},
		},
	}, nil
}
