package image

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const catalogueFile = "../../models/catalogue.json"

// staticProgram stands for the model server, whose own build takes minutes.
func staticProgram(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	source := filepath.Join(folder, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(folder, "program")
	build := exec.Command("go", "build", "-trimpath", "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return program
}

// startRegistry serves a registry that takes only the password, and returns its host and port.
func startRegistry(t *testing.T, password string) string {
	t.Helper()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, given, ok := r.BasicAuth()
		if !ok || user != "AWS" || given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func pushAll(t *testing.T, host, password, program string, names ...string) ([]Made, error) {
	t.Helper()
	pusher, err := newPusher(host, password)
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	deliver := func(images []Assembled) error { return pusher.push(context.Background(), images) }
	if err := makeAll(catalogueFile, program, names, deliver, &printed); err != nil {
		return nil, err
	}
	var made []Made
	for line := range strings.Lines(printed.String()) {
		var one Made
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		made = append(made, one)
	}
	return made, nil
}

func TestEveryImageIsPushedWithTheSameDigestTwice(t *testing.T) {
	program := staticProgram(t)
	first, err := pushAll(t, startRegistry(t, "token"), "token", program)
	if err != nil {
		t.Fatal(err)
	}
	host := startRegistry(t, "token")
	second, err := pushAll(t, host, "token", program)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first, second) {
		t.Errorf("the second time made\n%v\nthe first\n%v", second, first)
	}
	digests := map[string]bool{}
	auth := remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "AWS", Password: "token"}))
	for _, made := range second {
		digests[made.Digest] = true
		reference, err := name.ParseReference(host + "/" + made.Repository + ":" + made.Tag)
		if err != nil {
			t.Fatal(err)
		}
		image, err := remote.Image(reference, auth)
		if err != nil {
			t.Fatalf("%s: %v", reference, err)
		}
		digest, err := image.Digest()
		if err != nil || digest.String() != made.Digest {
			t.Errorf("the registry has %v (%v) for %s, made was %s", digest, err, reference, made.Digest)
		}
		if err := validate.Image(image); err != nil {
			t.Errorf("%s: %v", reference, err)
		}
	}
	if len(digests) != len(second) || len(second) < 8 {
		t.Errorf("%d images have %d digests", len(second), len(digests))
	}
}

func TestAnImageHoldsTheServerTheModelAndItsSettings(t *testing.T) {
	program := staticProgram(t)
	catalogue, err := ReadCatalogue(catalogueFile)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := catalogue.Select([]string{"forecasting/faulty:wrong-port"})
	if err != nil {
		t.Fatal(err)
	}
	assembler, err := NewAssembler(catalogue, program)
	if err != nil {
		t.Fatal(err)
	}
	assembled, err := assembler.Assemble(entries[0])
	if err != nil {
		t.Fatal(err)
	}
	image := assembled.Image
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || config.OS != "linux" || config.Architecture != "amd64" {
		t.Errorf("user %q on %s/%s", config.Config.User, config.OS, config.Architecture)
	}
	if _, declared := config.Config.ExposedPorts["8080/tcp"]; !declared {
		t.Errorf("ports %v", config.Config.ExposedPorts)
	}
	if !slices.Equal(config.Config.Env, []string{"MODEL_SERVER_LISTEN=0.0.0.0:9090"}) {
		t.Errorf("environment %v", config.Config.Env)
	}
	if !slices.Equal(config.Config.Entrypoint, []string{"/model-server"}) {
		t.Errorf("entrypoint %v", config.Config.Entrypoint)
	}
	if config.Config.Labels["org.opencontainers.image.version"] != "wrong-port" {
		t.Errorf("labels %v", config.Config.Labels)
	}
	content := mutate.Extract(image)
	defer content.Close()
	list := exec.Command("tar", "--list", "--verbose", "--numeric-owner")
	list.Stdin = content
	listed, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, expected := range []string{"-rwxr-xr-x 0/0", " model-server\n", "drwxr-xr-x 0/0", " model\n", " model/model.json\n", " model/model.onnx\n", "1970-01-01"} {
		if !strings.Contains(string(listed), expected) {
			t.Errorf("%q is not in\n%s", expected, listed)
		}
	}
}

func TestWhatCannotBeMadeOrPushedIsAnError(t *testing.T) {
	program := staticProgram(t)
	host := startRegistry(t, "token")
	if _, err := pushAll(t, host, "another", program, "forecasting/iris:1"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong token led to %v", err)
	}
	if _, err := pushAll(t, host, "token", program, "forecasting/iris:3"); err == nil || !strings.Contains(err.Error(), "no image forecasting/iris:3") {
		t.Errorf("an unknown image led to %v", err)
	}
	if _, err := pushAll(t, host, "token", "/bin/ls", "forecasting/iris:1"); err == nil || !strings.Contains(err.Error(), "linked dynamically") {
		t.Errorf("a dynamic program led to %v", err)
	}
	if _, err := pushAll(t, host, "token", catalogueFile, "forecasting/iris:1"); err == nil || !strings.Contains(err.Error(), "bad magic") {
		t.Errorf("no program led to %v", err)
	}
}

func TestACatalogueWithMistakesIsRefused(t *testing.T) {
	good := Entry{Repository: "a/b", Tag: "1", Description: "d", Behaviour: "serves", Port: 8080, Files: map[string]string{"/model/model.json": "x"}}
	mistakes := map[string]func(*Entry){
		"repository and tag":       func(e *Entry) { e.Tag = "" },
		"description":              func(e *Entry) { e.Description = "" },
		"is not a port":            func(e *Entry) { e.Port = 0 },
		"has no model":             func(e *Entry) { e.Files = nil },
		"is not a place":           func(e *Entry) { e.Files = map[string]string{"/model/../x": "x"} },
		"\"/model-server\" is not": func(e *Entry) { e.Files = map[string]string{serverPath: "x"} },
	}
	for why, spoil := range mistakes {
		bad := good
		spoil(&bad)
		if err := bad.check(); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", why, err)
		}
	}
	file := filepath.Join(t.TempDir(), "catalogue.json")
	twice, err := json.Marshal(Catalogue{Images: []Entry{good, good}})
	if err != nil {
		t.Fatal(err)
	}
	for text, why := range map[string]string{string(twice): "listed twice", `{"pictures":[]}`: "unknown field", "": io.EOF.Error()} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCatalogue(file); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q led to %v", text, err)
		}
	}
}

func TestALayoutIsWritten(t *testing.T) {
	folder := t.TempDir()
	args := []string{"build", "--catalogue", catalogueFile, "--server", staticProgram(t), "--out", folder, "growth/diabetes:1"}
	if err := Main(context.Background(), args); err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(folder, "growth/diabetes/1/index.json"))
	if err != nil || !strings.Contains(string(index), "application/vnd.oci.image.manifest.v1+json") {
		t.Errorf("%v: %s", err, index)
	}
}
