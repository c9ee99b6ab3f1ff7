package webhook

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	authorization "k8s.io/api/authorization/v1"
	rbac "k8s.io/api/rbac/v1"
)

// extraPrincipal is the extra attribute that says which IAM principal a user is.
// An impersonated user has none, so it is judged by RBAC alone.
const extraPrincipal = "canonicalArn"

// authorize answers from the access policies of the user's access entry. It only
// ever allows: what no policy allows is left to "no opinion", as RBAC does.
func authorize(ctx context.Context, aws *gateway, c cluster, asked *authorization.SubjectAccessReview) error {
	asked.Status = authorization.SubjectAccessReviewStatus{}
	principal := principalOf(asked.Spec.Extra)
	if principal == "" {
		return nil
	}
	settings, err := aws.access(ctx, c.name)
	if err != nil {
		return err
	}
	found, ok := settings.entry(principal)
	if !ok {
		return nil
	}
	for _, associated := range found.Policies {
		if !associated.covers(asked.Spec.ResourceAttributes) {
			continue
		}
		rules, known := policies[path.Base(associated.PolicyARN)]
		if !known {
			return fmt.Errorf("the sandbox does not know the access policy %s", associated.PolicyARN)
		}
		if allows(rules, &asked.Spec) {
			asked.Status.Allowed = true
			asked.Status.Reason = fmt.Sprintf("EKS access policy: %s of %s", associated.PolicyARN, principal)
			return nil
		}
	}
	return nil
}

func principalOf(extra map[string]authorization.ExtraValue) string {
	for key, values := range extra {
		if strings.EqualFold(key, extraPrincipal) && len(values) == 1 {
			return values[0]
		}
	}
	return ""
}

// covers reports whether a request is inside the policy's scope. Only a policy for
// the whole cluster reaches what has no namespace.
func (p *associatedPolicy) covers(resource *authorization.ResourceAttributes) bool {
	switch p.Scope {
	case "cluster":
		return true
	case "namespace":
		return resource != nil && resource.Namespace != "" && slices.ContainsFunc(p.Namespaces, func(pattern string) bool {
			// Namespaces may be given with wildcards, as in "dev-*".
			matched, err := path.Match(pattern, resource.Namespace)
			return err == nil && matched
		})
	default:
		return false
	}
}

func allows(rules []rbac.PolicyRule, asked *authorization.SubjectAccessReviewSpec) bool {
	return slices.ContainsFunc(rules, func(rule rbac.PolicyRule) bool {
		if resource := asked.ResourceAttributes; resource != nil {
			name := resource.Resource
			if resource.Subresource != "" {
				name += "/" + resource.Subresource
			}
			return has(rule.Verbs, resource.Verb) && has(rule.APIGroups, resource.Group) && has(rule.Resources, name)
		}
		if url := asked.NonResourceAttributes; url != nil {
			return has(rule.Verbs, url.Verb) && slices.Contains(rule.NonResourceURLs, "*")
		}
		return false
	})
}

func has(allowed []string, wanted string) bool {
	return slices.Contains(allowed, "*") || slices.Contains(allowed, wanted)
}
