package webhook

import (
	"slices"

	rbac "k8s.io/api/rbac/v1"
)

var (
	read   = []string{"get", "list", "watch"}
	change = []string{"create", "delete", "deletecollection", "patch", "update"}
)

// policies are the rules of EKS's access policies, as "Review access policy
// permissions" in the EKS user guide lists them.
var policies = map[string][]rbac.PolicyRule{
	"AmazonEKSClusterAdminPolicy": {
		{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}},
		{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}},
	},
	"AmazonEKSAdminViewPolicy": {
		{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: read},
	},
	"AmazonEKSViewPolicy":  viewRules,
	"AmazonEKSEditPolicy":  slices.Concat(viewRules, editRules),
	"AmazonEKSAdminPolicy": slices.Concat(viewRules, editRules, adminRules),
}

var viewRules = []rbac.PolicyRule{
	rule(read, "apps", "controllerrevisions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale", "deployments/status",
		"replicasets", "replicasets/scale", "replicasets/status", "statefulsets", "statefulsets/scale", "statefulsets/status"),
	rule(read, "autoscaling", "horizontalpodautoscalers", "horizontalpodautoscalers/status"),
	rule(read, "batch", "cronjobs", "cronjobs/status", "jobs", "jobs/status"),
	rule(read, "discovery.k8s.io", "endpointslices"),
	rule(read, "extensions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale", "deployments/status", "ingresses", "ingresses/status",
		"networkpolicies", "replicasets", "replicasets/scale", "replicasets/status", "replicationcontrollers/scale"),
	rule(read, "networking.k8s.io", "ingresses", "ingresses/status", "networkpolicies"),
	rule(read, "policy", "poddisruptionbudgets", "poddisruptionbudgets/status"),
	rule(read, "", "configmaps", "endpoints", "persistentvolumeclaims", "persistentvolumeclaims/status", "pods", "replicationcontrollers",
		"replicationcontrollers/scale", "serviceaccounts", "services", "services/status"),
	rule(read, "", "bindings", "events", "limitranges", "namespaces/status", "pods/log", "pods/status", "replicationcontrollers/status",
		"resourcequotas", "resourcequotas/status"),
	rule(read, "", "namespaces"),
}

// editRules are what AmazonEKSEditPolicy has on top of AmazonEKSViewPolicy.
var editRules = []rbac.PolicyRule{
	rule(change, "apps", "daemonsets", "deployments", "deployments/rollback", "deployments/scale", "replicasets", "replicasets/scale",
		"statefulsets", "statefulsets/scale"),
	rule(change, "autoscaling", "horizontalpodautoscalers"),
	rule(change, "batch", "cronjobs", "jobs"),
	rule(change, "extensions", "daemonsets", "deployments", "deployments/rollback", "deployments/scale", "ingresses", "networkpolicies",
		"replicasets", "replicasets/scale", "replicationcontrollers/scale"),
	rule(change, "networking.k8s.io", "ingresses", "networkpolicies"),
	rule(change, "policy", "poddisruptionbudgets"),
	rule(read, "", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"),
	rule([]string{"impersonate"}, "", "serviceaccounts"),
	rule(change, "", "pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"),
	rule(change, "", "configmaps", "events", "persistentvolumeclaims", "replicationcontrollers", "replicationcontrollers/scale", "secrets",
		"serviceaccounts", "services", "services/proxy"),
}

// adminRules are what AmazonEKSAdminPolicy has on top of AmazonEKSEditPolicy.
var adminRules = []rbac.PolicyRule{
	rule([]string{"create"}, "authorization.k8s.io", "localsubjectaccessreviews"),
	rule(slices.Concat(read, change), "rbac.authorization.k8s.io", "rolebindings", "roles"),
}

func rule(verbs []string, group string, resources ...string) rbac.PolicyRule {
	return rbac.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: verbs}
}
