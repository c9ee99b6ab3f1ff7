package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/aws-iam-authenticator/pkg/metrics"
)

const (
	role    = "arn:aws:iam::123456789012:role/ml/scientists"
	session = "arn:aws:sts::123456789012:assumed-role/scientists/alice@example.org"
)

func TestMain(m *testing.M) {
	metrics.InitMetrics(prometheus.NewRegistry())
	os.Exit(m.Run())
}

// apiServer serves one aws-auth, as far as the mapper looks.
func apiServer(t *testing.T, data map[string]string) (kubeconfig string) {
	t.Helper()
	object := core.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: "aws-auth", Namespace: "kube-system", ResourceVersion: "1"},
		Data:       data,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") == "" {
			_ = json.NewEncoder(w).Encode(object)
			return
		}
		raw, _ := json.Marshal(object)
		event := metav1.WatchEvent{Type: string(watch.Added)}
		event.Object.Raw = raw
		_ = json.NewEncoder(w).Encode(event)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.CloseClientConnections)
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	body := `{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":{"server":"` + server.URL +
		`"}}],"users":[{"name":"c","user":{}}],"contexts":[{"name":"c","context":{"cluster":"c","user":"c"}}]}`
	if err := os.WriteFile(kubeconfig, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// sandbox is the webhook in front of one cluster, and what the gateway says.
type sandbox struct {
	*httptest.Server
	verified caller
	settings access
	refuse   string
	broken   bool
}

func start(t *testing.T, awsAuth map[string]string) *sandbox {
	t.Helper()
	s := &sandbox{
		verified: caller{session, role, "123456789012", "AROAEXAMPLE:alice@example.org", "alice@example.org", "ASIAEXAMPLE"},
		settings: access{Mode: modeBoth},
	}
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.broken:
			http.Error(w, "no answer from AWS", http.StatusBadGateway)
		case strings.HasSuffix(r.URL.Path, "/lab/access"):
			_ = json.NewEncoder(w).Encode(s.settings)
		case s.refuse != "":
			http.Error(w, s.refuse, http.StatusUnauthorized)
		default:
			_ = json.NewEncoder(w).Encode(s.verified)
		}
	}))
	t.Cleanup(gate.Close)
	folder := t.TempDir()
	file, _ := json.Marshal(settings{apiServer(t, awsAuth), map[string]string{"i-0123456789abcdef0": "ip-10-0-0-5.ec2.internal"}})
	if err := os.WriteFile(filepath.Join(folder, "lab.json"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(routes(newClusters(folder), newGateway(gate.URL)))
	t.Cleanup(s.Close)
	return s
}

func post[T any](t *testing.T, url string, asked T) (int, T) {
	t.Helper()
	body, _ := json.Marshal(asked)
	answer, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var got T
	if answer.StatusCode == http.StatusOK {
		if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
	}
	return answer.StatusCode, got
}

func (s *sandbox) review(t *testing.T) authentication.TokenReviewStatus {
	t.Helper()
	status, got := post(t, s.URL+"/clusters/lab/authenticate", authentication.TokenReview{Spec: authentication.TokenReviewSpec{Token: "secret"}})
	if status != http.StatusOK {
		t.Fatalf("the webhook answered %d", status)
	}
	if got.Spec.Token != "" {
		t.Error("the answer repeats the token")
	}
	return got.Status
}

func TestAwsAuthMapsByUpstreamsRules(t *testing.T) {
	// aws-auth knows the role without its path, whatever the case.
	s := start(t, map[string]string{"mapRoles": "- rolearn: arn:aws:iam::123456789012:ROLE/Scientists\n  username: \"{{AccountID}}:{{SessionName}}\"\n  groups: [\"team-{{SessionNameRaw}}\"]\n"})
	got := s.review(t)
	if !got.Authenticated || got.User.Username != "123456789012:alice-example.org" || !slices.Equal(got.User.Groups, []string{"team-alice@example.org"}) {
		t.Errorf("mapped to %+v", got)
	}
	if got.User.UID != "aws-iam-authenticator:123456789012:AROAEXAMPLE" || got.User.Extra["canonicalArn"][0] != role || got.User.Extra["principalId"][0] != "AROAEXAMPLE" {
		t.Errorf("the user is described as %+v", got.User)
	}
}

func TestEntriesComeBeforeAwsAuthAndHaveDefaults(t *testing.T) {
	s := start(t, map[string]string{"mapRoles": "- rolearn: arn:aws:iam::123456789012:role/scientists\n  username: by-map\n"})
	s.settings.Entries = []entry{{PrincipalARN: role, Type: "STANDARD", Groups: []string{"g"}}}
	if got := s.review(t); got.User.Username != "arn:aws:sts::123456789012:assumed-role/scientists/alice-example.org" || got.User.Groups[0] != "g" {
		t.Errorf("mapped to %+v", got)
	}
}

func TestModesDecideWhichStoreCounts(t *testing.T) {
	entries := []entry{{PrincipalARN: role, Username: "by-entry"}}
	byMap := map[string]string{"mapRoles": "- rolearn: arn:aws:iam::123456789012:role/scientists\n  username: by-map\n"}
	for _, c := range []struct {
		name     string
		settings access
		want     string
	}{
		{"both", access{Mode: modeBoth, Entries: entries}, "by-entry"},
		{"both without an entry", access{Mode: modeBoth}, "by-map"},
		{"entries alone", access{Mode: modeAPI}, ""},
		{"the map alone", access{Mode: modeConfigMap, Entries: entries}, "by-map"},
		{"the hidden creator", access{Mode: modeConfigMap, Creator: role}, "kubernetes-admin"},
		{"a creator is nobody special elsewhere", access{Mode: modeAPI, Creator: role}, ""},
	} {
		s := start(t, byMap)
		s.settings = c.settings
		if got := s.review(t); got.User.Username != c.want || got.Authenticated != (c.want != "") {
			t.Errorf("%s: %+v, not %q", c.name, got, c.want)
		}
	}
}

func TestOnlyAnInstanceIsANode(t *testing.T) {
	for name, want := range map[string]string{"i-0123456789abcdef0": "system:node:ip-10-0-0-5.ec2.internal", "i-0123456789abcdef1": "", "alice": ""} {
		s := start(t, nil)
		s.verified.SessionName, s.verified.ARN = name, "arn:aws:sts::123456789012:assumed-role/scientists/"+name
		s.settings.Entries = []entry{{PrincipalARN: role, Type: "EC2_LINUX"}}
		got := s.review(t)
		if got.User.Username != want || got.Authenticated != (want != "") {
			t.Errorf("session %s: %+v", name, got)
		}
		if want != "" && !slices.Equal(got.User.Groups, []string{"system:nodes"}) {
			t.Errorf("a node is in %v", got.User.Groups)
		}
	}
}

func TestARefusalSaysWhyAndABrokenGatewayIsAnError(t *testing.T) {
	s := start(t, nil)
	s.refuse = "the token is for another cluster"
	if got := s.review(t); got.Authenticated || !strings.Contains(got.Error, s.refuse) {
		t.Errorf("refused with %+v", got)
	}
	s.broken = true
	status, _ := post(t, s.URL+"/clusters/lab/authenticate", authentication.TokenReview{})
	if status != http.StatusInternalServerError {
		t.Errorf("a gateway that does not answer gives %d", status)
	}
	for _, cluster := range []string{"other", "..%2Flab"} {
		if status, _ := post(t, s.URL+"/clusters/"+cluster+"/authenticate", authentication.TokenReview{}); status == http.StatusOK {
			t.Errorf("cluster %s is not served, and was answered", cluster)
		}
	}
}

func TestABrokenPartOfAwsAuthLeavesTheOther(t *testing.T) {
	s := start(t, map[string]string{
		"mapRoles": "- rolearn: [unbalanced",
		"mapUsers": "- userarn: arn:aws:iam::123456789012:user/bob\n  username: bob\n",
	})
	if got := s.review(t); got.Authenticated {
		t.Errorf("a map that cannot be read maps to %+v", got)
	}
	s.verified = caller{ARN: "arn:aws:iam::123456789012:user/bob", CanonicalARN: "arn:aws:iam::123456789012:user/bob", AccountID: "123456789012"}
	if got := s.review(t); got.User.Username != "bob" {
		t.Errorf("bob is %+v", got)
	}
}

func TestAClusterMadeAgainIsReadAgain(t *testing.T) {
	folder := t.TempDir()
	write := func(kubeconfig string) {
		file, _ := json.Marshal(settings{Kubeconfig: kubeconfig})
		if err := os.WriteFile(filepath.Join(folder, "lab.json"), file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	known := newClusters(folder)
	mapped := func(user string) bool {
		c, err := known.get("lab")
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.awsAuth.UserMapping("arn:aws:iam::123456789012:user/" + user)
		return err == nil
	}
	for _, user := range []string{"first", "second"} {
		write(apiServer(t, map[string]string{"mapUsers": "- userarn: arn:aws:iam::123456789012:user/" + user + "\n  username: x\n"}))
		if !mapped(user) {
			t.Errorf("%s is not mapped", user)
		}
	}
	if mapped("first") {
		t.Error("what the cluster before said still counts")
	}
	if err := os.Remove(filepath.Join(folder, "lab.json")); err != nil {
		t.Fatal(err)
	}
	if err := known.look(); err != nil || len(known.known) != 0 {
		t.Errorf("a deleted cluster is still followed: %v, %v", known.known, err)
	}
}

func TestPoliciesAllowWhatTheyListInTheirScope(t *testing.T) {
	type asked = authorization.ResourceAttributes
	in := func(namespace, verb, group, resource, sub string) *asked {
		return &asked{Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: sub}
	}
	for _, c := range []struct {
		policy, scope string
		request       *asked
		allowed       bool
	}{
		{"AmazonEKSViewPolicy", "namespace", in("team-a", "get", "", "pods", "log"), true},
		{"AmazonEKSViewPolicy", "namespace", in("team-a", "get", "", "secrets", ""), false},
		{"AmazonEKSViewPolicy", "namespace", in("other", "get", "", "pods", ""), false},
		{"AmazonEKSViewPolicy", "namespace", in("", "list", "", "pods", ""), false},
		{"AmazonEKSViewPolicy", "cluster", in("", "list", "", "pods", ""), true},
		{"AmazonEKSViewPolicy", "cluster", in("", "list", "", "nodes", ""), false},
		{"AmazonEKSEditPolicy", "namespace", in("team-a", "patch", "apps", "deployments", ""), true},
		{"AmazonEKSEditPolicy", "namespace", in("team-a", "impersonate", "", "serviceaccounts", ""), true},
		{"AmazonEKSEditPolicy", "namespace", in("team-a", "create", "rbac.authorization.k8s.io", "roles", ""), false},
		{"AmazonEKSAdminPolicy", "namespace", in("team-a", "create", "rbac.authorization.k8s.io", "roles", ""), true},
		{"AmazonEKSAdminPolicy", "cluster", in("", "create", "rbac.authorization.k8s.io", "clusterroles", ""), false},
		{"AmazonEKSAdminViewPolicy", "cluster", in("kube-system", "get", "", "secrets", ""), true},
		{"AmazonEKSAdminViewPolicy", "cluster", in("kube-system", "delete", "", "secrets", ""), false},
		{"AmazonEKSClusterAdminPolicy", "cluster", in("", "impersonate", "", "users", ""), true},
		{"AmazonEKSClusterAdminPolicy", "elsewhere", in("", "get", "", "nodes", ""), false},
	} {
		s := start(t, nil)
		s.settings.Entries = []entry{{PrincipalARN: role, Policies: []associatedPolicy{{"arn:aws:eks::aws:cluster-access-policy/" + c.policy, c.scope, []string{"x", "team-*"}}}}}
		review := authorization.SubjectAccessReview{Spec: authorization.SubjectAccessReviewSpec{ResourceAttributes: c.request, Extra: map[string]authorization.ExtraValue{"canonicalarn": {role}}}}
		status, got := post(t, s.URL+"/clusters/lab/authorize", review)
		if status != http.StatusOK || got.Status.Allowed != c.allowed || got.Status.Denied {
			t.Errorf("%s for %s, %+v: %d %+v", c.policy, c.scope, c.request, status, got.Status)
		}
		// Without the principal there is no entry, and with another mode no policies.
		review.Spec.Extra = nil
		if _, got := post(t, s.URL+"/clusters/lab/authorize", review); got.Status.Allowed {
			t.Errorf("%s allowed an impersonated user %+v", c.policy, c.request)
		}
	}
}

func TestAnUnknownPolicyIsAnErrorNotARefusal(t *testing.T) {
	aws := &gateway{kept: map[string]keptAccess{}}
	aws.client = &http.Client{Transport: answers(`{"authenticationMode":"API","entries":[{"principalArn":"` + role + `","policies":[{"policyArn":"arn:aws:eks::aws:cluster-access-policy/AmazonEKSNewPolicy","scope":"cluster"}]}]}`)}
	review := authorization.SubjectAccessReview{Spec: authorization.SubjectAccessReviewSpec{Extra: map[string]authorization.ExtraValue{extraPrincipal: {role}}}}
	if err := authorize(context.Background(), aws, cluster{name: "lab"}, &review); err == nil || !strings.Contains(err.Error(), "AmazonEKSNewPolicy") {
		t.Errorf("got %v", err)
	}
	aws = &gateway{kept: map[string]keptAccess{}, client: &http.Client{Transport: answers(`{"authenticationMode":"WHATEVER"}`)}}
	if _, err := aws.access(context.Background(), "lab"); err == nil || errors.Is(err, errRefused) {
		t.Errorf("an unknown mode gives %v", err)
	}
}

type answers string

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	_, _ = recorder.WriteString(string(a))
	return recorder.Result(), nil
}
