package webhook

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/aws-iam-authenticator/pkg/arn"
	"sigs.k8s.io/aws-iam-authenticator/pkg/mapper"
	"sigs.k8s.io/aws-iam-authenticator/pkg/token"
)

// errNotMapped says that a real AWS principal is nobody in this cluster.
var errNotMapped = errors.New("not mapped to a Kubernetes identity")

var instanceID = regexp.MustCompile(`^i-(\w{8}|\w{17})$`)

// nodeTypes are the access entries whose identity EKS fills in by itself: the user
// is the instance the role's session is named after.
var nodeTypes = map[string]bool{"EC2_LINUX": true, "EC2_WINDOWS": true, "EC2": true}

// mapped is a Kubernetes identity.
type mapped struct {
	username string
	groups   []string
}

// mapCaller finds who a caller is in a cluster: by its access entry where the mode
// has them, else by aws-auth. An entry hides what aws-auth says of the same principal.
func mapCaller(settings *access, c cluster, who *caller) (mapped, error) {
	if settings.Mode == modeConfigMap && settings.Creator != "" && settings.Creator == who.CanonicalARN {
		return mapped{"kubernetes-admin", []string{"system:masters"}}, nil
	}
	if found, ok := settings.entry(who.CanonicalARN); ok {
		return render(entryIdentity(found, who), c, who)
	}
	if settings.hasConfigMap() {
		found, err := fromAWSAuth(c, who)
		if !errors.Is(err, errNotMapped) {
			if err != nil {
				return mapped{}, err
			}
			return render(found, c, who)
		}
	}
	return mapped{}, fmt.Errorf("%s is %w", who.CanonicalARN, errNotMapped)
}

// entryIdentity gives the templates of an access entry, with EKS's defaults where
// it leaves them out.
func entryIdentity(found entry, who *caller) mapped {
	identity := mapped{found.Username, found.Groups}
	if nodeTypes[found.Type] {
		if identity.username == "" {
			identity.username = "system:node:{{EC2PrivateDNSName}}"
		}
		if len(identity.groups) == 0 {
			identity.groups = []string{"system:nodes"}
		}
	}
	if identity.username == "" {
		// For a role the session's ARN, with the name as a template; for a user its ARN.
		identity.username = who.ARN
		if who.SessionName != "" {
			identity.username = strings.TrimSuffix(who.ARN, who.SessionName) + "{{SessionName}}"
		}
	}
	return identity
}

// fromAWSAuth asks upstream's mapper. It knows roles only as STS names them,
// without the path an IAM role's ARN may have.
func fromAWSAuth(c cluster, who *caller) (mapped, error) {
	_, canonical, err := arn.Canonicalize(who.ARN)
	if err != nil {
		return mapped{}, err
	}
	found, err := c.awsAuth.Map(&token.Identity{
		ARN: who.ARN, CanonicalARN: canonical, AccountID: who.AccountID,
		UserID: who.UserID, SessionName: who.SessionName, AccessKeyID: who.AccessKeyID,
	})
	if errors.Is(err, mapper.ErrNotMapped) {
		if c.awsAuth.IsAccountAllowed(who.AccountID) {
			return mapped{username: canonical}, nil
		}
		return mapped{}, errNotMapped
	}
	if err != nil {
		return mapped{}, err
	}
	return mapped{found.Username, found.Groups}, nil
}

// render fills in the placeholders of a mapping.
func render(templates mapped, c cluster, who *caller) (mapped, error) {
	name, err := renderOne(templates.username, c, who)
	if err != nil {
		return mapped{}, err
	}
	if name == "" {
		return mapped{}, fmt.Errorf("%s: the mapping has no user name, so it is %w", who.CanonicalARN, errNotMapped)
	}
	done := mapped{username: name}
	for _, template := range templates.groups {
		group, err := renderOne(template, c, who)
		if err != nil {
			return mapped{}, err
		}
		done.groups = append(done.groups, group)
	}
	return done, nil
}

func renderOne(template string, c cluster, who *caller) (string, error) {
	if strings.Contains(template, "{{EC2PrivateDNSName}}") {
		// Only EC2 names a session after an instance, so the name proves the instance.
		if !instanceID.MatchString(who.SessionName) {
			return "", fmt.Errorf("%s: the session is not named after an instance, so it is %w", who.ARN, errNotMapped)
		}
		name, found := c.instances[who.SessionName]
		if !found {
			return "", fmt.Errorf("%s: no instance %s is known, so it is %w", who.ARN, who.SessionName, errNotMapped)
		}
		template = strings.ReplaceAll(template, "{{EC2PrivateDNSName}}", name)
	}
	return strings.NewReplacer(
		"{{AccountID}}", who.AccountID,
		"{{SessionName}}", strings.ReplaceAll(who.SessionName, "@", "-"),
		"{{SessionNameRaw}}", who.SessionName,
		"{{AccessKeyID}}", who.AccessKeyID,
	).Replace(template), nil
}
