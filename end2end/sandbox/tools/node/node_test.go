package node

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/ecr"
	"github.com/aws/aws-sdk-go/service/sts"
)

func instance(t *testing.T, life time.Duration) (who *identity, assumed *int) {
	t.Helper()
	assumed = new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_sandbox/instances/i-0123456789abcdef0/credentials" {
			http.NotFound(w, r)
			return
		}
		*assumed++
		fmt.Fprintf(w, `{"AccessKeyId":"ASIA%d","SecretAccessKey":"s","Token":"t","Expiration":%q}`, *assumed, time.Now().Add(life).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(server.Close)
	return &identity{server.URL, "us-east-1", "i-0123456789abcdef0", filepath.Join(t.TempDir(), "role.json")}, assumed
}

func TestTheRolesCredentialsAreAskedForOnceAndKeptPrivately(t *testing.T) {
	who, assumed := instance(t, time.Hour)
	for range 2 {
		keys, err := who.credentials(context.Background())
		if err != nil || keys.AccessKeyID != "ASIA1" {
			t.Fatalf("%+v, %v", keys, err)
		}
	}
	if *assumed != 1 {
		t.Errorf("the role was asked for %d times", *assumed)
	}
	if found, err := os.Stat(who.cache); err != nil || found.Mode().Perm() != 0o600 {
		t.Errorf("the kept credentials: %v, %v", found.Mode(), err)
	}
}

func TestCredentialsAboutToEndAreReplaced(t *testing.T) {
	who, assumed := instance(t, renewBefore-time.Second)
	for range 2 {
		if _, err := who.credentials(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if *assumed != 2 {
		t.Errorf("the role was asked for %d times", *assumed)
	}
}

func TestAnUnknownInstanceGetsNothing(t *testing.T) {
	who, _ := instance(t, time.Hour)
	who.instanceID = "i-0123456789abcdef1"
	if keys, err := who.credentials(context.Background()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("%+v, %v", keys, err)
	}
	if _, err := os.Stat(who.cache); err == nil {
		t.Error("a failure was kept")
	}
}

func TestATokenIsASignedRequestForOneCluster(t *testing.T) {
	who, _ := instance(t, time.Hour)
	session, err := who.session(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	made, err := sign(sts.New(session), "lab")
	if err != nil {
		t.Fatal(err)
	}
	encoded, found := strings.CutPrefix(made.Token, "k8s-aws-v1.")
	plain, err := base64.RawURLEncoding.DecodeString(encoded)
	if !found || err != nil {
		t.Fatalf("%s: %v", made.Token, err)
	}
	address, err := url.Parse(string(plain))
	if err != nil {
		t.Fatal(err)
	}
	query := address.Query()
	if query.Get("X-Amz-Expires") != "60" || query.Get("X-Amz-SignedHeaders") != "host;x-k8s-aws-id" || !strings.HasPrefix(query.Get("X-Amz-Credential"), "ASIA1/") {
		t.Errorf("signed as %v", query)
	}
	if left := time.Until(made.Expiration); left > 14*time.Minute || left < 13*time.Minute {
		t.Errorf("it claims to live %s", left)
	}
}

func TestKubeletGetsECRsPasswordForHalfItsLife(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	token := func(plain, endpoint string) []*ecr.AuthorizationData {
		return []*ecr.AuthorizationData{{
			AuthorizationToken: aws.String(base64.StdEncoding.EncodeToString([]byte(plain))),
			ProxyEndpoint:      aws.String(endpoint),
			ExpiresAt:          aws.Time(now.Add(12 * time.Hour)),
		}}
	}
	got, err := credentialFor(token("AWS:pass:word", "http://127.0.0.1:4566"), now)
	if err != nil {
		t.Fatal(err)
	}
	if auth := got.Auth["127.0.0.1:4566"]; auth.Username != "AWS" || auth.Password != "pass:word" || got.CacheDuration.Duration != 6*time.Hour {
		t.Errorf("%+v", got)
	}
	for _, wrong := range [][]*ecr.AuthorizationData{nil, token("AWS", "http://127.0.0.1:4566"), token("AWS:x", "127.0.0.1"), {{}}} {
		if _, err := credentialFor(wrong, now); err == nil {
			t.Errorf("%v was taken for an answer", wrong)
		}
	}
}

func TestOnlyKubeletsRequestIsAnswered(t *testing.T) {
	good := `{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest","image":"127.0.0.1:4566/iris:1"}`
	if err := checkRequest(strings.NewReader(good)); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"", "{}", strings.Replace(good, "/v1\"", "/v1alpha1\"", 1)} {
		if err := checkRequest(strings.NewReader(wrong)); err == nil {
			t.Errorf("%q was taken for a request", wrong)
		}
	}
}
