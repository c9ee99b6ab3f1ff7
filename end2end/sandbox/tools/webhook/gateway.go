package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// accessFor is how long a cluster's access settings are believed. A change in
// EKS's API has to show within seconds.
const accessFor = time.Second

// errRefused says that the gateway looked at a token and does not accept it.
var errRefused = errors.New("token refused")

// caller is whom AWS says a token is from.
type caller struct {
	ARN string `json:"arn"`
	// CanonicalARN is the role behind an assumed role, its path included.
	CanonicalARN string `json:"canonicalArn"`
	AccountID    string `json:"accountId"`
	UserID       string `json:"userId"`
	SessionName  string `json:"sessionName"`
	AccessKeyID  string `json:"accessKeyId"`
}

// access is what EKS's own API says about who may enter a cluster.
type access struct {
	Mode    string  `json:"authenticationMode"`
	Entries []entry `json:"entries"`
	// Creator is an admin nobody sees, in the mode without access entries.
	Creator string `json:"creator"`
}

type entry struct {
	PrincipalARN string             `json:"principalArn"`
	Username     string             `json:"username"`
	Groups       []string           `json:"groups"`
	Type         string             `json:"type"`
	Policies     []associatedPolicy `json:"policies"`
}

type associatedPolicy struct {
	PolicyARN  string   `json:"policyArn"`
	Scope      string   `json:"scope"`
	Namespaces []string `json:"namespaces"`
}

const (
	modeConfigMap = "CONFIG_MAP"
	modeBoth      = "API_AND_CONFIG_MAP"
	modeAPI       = "API"
)

func (a *access) hasEntries() bool   { return a.Mode == modeAPI || a.Mode == modeBoth }
func (a *access) hasConfigMap() bool { return a.Mode == modeConfigMap || a.Mode == modeBoth }

// entry finds the access entry of a principal.
func (a *access) entry(principal string) (entry, bool) {
	if a.hasEntries() {
		for _, e := range a.Entries {
			if e.PrincipalARN == principal {
				return e, true
			}
		}
	}
	return entry{}, false
}

// gateway asks the AWS side of the sandbox.
type gateway struct {
	base   string
	client *http.Client

	mutex sync.Mutex
	kept  map[string]keptAccess
}

type keptAccess struct {
	access *access
	until  time.Time
}

func newGateway(base string) *gateway {
	return &gateway{
		base:   strings.TrimSuffix(base, "/"),
		client: &http.Client{Timeout: 10 * time.Second},
		kept:   map[string]keptAccess{},
	}
}

// verify asks AWS whose token this is.
func (g *gateway) verify(ctx context.Context, cluster, token string) (*caller, error) {
	body, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		return nil, err
	}
	var who caller
	if err := g.call(ctx, http.MethodPost, cluster, "verify", body, &who); err != nil {
		return nil, err
	}
	if who.ARN == "" || who.CanonicalARN == "" {
		return nil, errors.New("the gateway verified a token without saying whose it is")
	}
	return &who, nil
}

// access gives a cluster's access settings, at most accessFor old.
func (g *gateway) access(ctx context.Context, cluster string) (*access, error) {
	g.mutex.Lock()
	kept := g.kept[cluster]
	g.mutex.Unlock()
	if time.Now().Before(kept.until) {
		return kept.access, nil
	}
	var got access
	if err := g.call(ctx, http.MethodGet, cluster, "access", nil, &got); err != nil {
		return nil, err
	}
	if !got.hasEntries() && !got.hasConfigMap() {
		return nil, fmt.Errorf("the gateway names no authentication mode known here: %q", got.Mode)
	}
	g.mutex.Lock()
	g.kept[cluster] = keptAccess{&got, time.Now().Add(accessFor)}
	g.mutex.Unlock()
	return &got, nil
}

func (g *gateway) call(ctx context.Context, method, cluster, what string, body []byte, into any) error {
	address := fmt.Sprintf("%s/_sandbox/eks/%s/%s", g.base, url.PathEscape(cluster), what)
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := g.client.Do(request)
	if err != nil {
		return fmt.Errorf("asking the gateway: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxReview))
	if err != nil {
		return fmt.Errorf("reading the gateway's answer: %w", err)
	}
	switch response.StatusCode {
	case http.StatusOK:
		return json.Unmarshal(answer, into)
	case http.StatusUnauthorized:
		return fmt.Errorf("%w: %s", errRefused, bytes.TrimSpace(answer))
	default:
		return fmt.Errorf("the gateway answered %s to %s: %s", response.Status, what, bytes.TrimSpace(answer))
	}
}
