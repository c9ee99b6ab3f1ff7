// Package image makes the sandbox's model images from the static model server
// and a model's files, without Docker, and pushes them to a registry.
package image

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// passwordVariable holds the registry's token: an argument would show in the process list.
const passwordVariable = "REGISTRY_PASSWORD"

// Made is printed, as one line of JSON, for each image.
type Made struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Digest     string `json:"digest"`
	Behaviour  string `json:"behaviour"`
}

// Main runs `image build` or `image push`.
func Main(ctx context.Context, args []string) error {
	usage := errors.New("usage: image build|push --catalogue FILE --server FILE [--out FOLDER | --registry HOST:PORT] [REPOSITORY:TAG ...]")
	if len(args) == 0 {
		return usage
	}
	flags := flag.NewFlagSet("image "+args[0], flag.ContinueOnError)
	catalogueFile := flags.String("catalogue", "", "the `file` that lists the images")
	serverFile := flags.String("server", "", "the static model server")
	out := flags.String("out", "", "the `folder` to write OCI layouts to (build)")
	registry := flags.String("registry", "", "the registry's `host:port`; the token of user AWS is in "+passwordVariable+" (push)")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *catalogueFile == "" || *serverFile == "" {
		return usage
	}
	var deliver func([]Assembled) error
	switch args[0] {
	case "build":
		if *out == "" {
			return usage
		}
		deliver = func(images []Assembled) error { return write(*out, images) }
	case "push":
		password := os.Getenv(passwordVariable)
		if *registry == "" || password == "" {
			return fmt.Errorf("%w\npush needs --registry and %s", usage, passwordVariable)
		}
		pusher, err := newPusher(*registry, password)
		if err != nil {
			return err
		}
		deliver = func(images []Assembled) error { return pusher.push(ctx, images) }
	default:
		return usage
	}
	return makeAll(*catalogueFile, *serverFile, flags.Args(), deliver, os.Stdout)
}

// makeAll assembles the named images, delivers them and prints what was made.
func makeAll(catalogueFile, serverFile string, names []string, deliver func([]Assembled) error, log io.Writer) error {
	catalogue, err := ReadCatalogue(catalogueFile)
	if err != nil {
		return err
	}
	entries, err := catalogue.Select(names)
	if err != nil {
		return err
	}
	assembler, err := NewAssembler(catalogue, serverFile)
	if err != nil {
		return err
	}
	images := make([]Assembled, 0, len(entries))
	for _, entry := range entries {
		image, err := assembler.Assemble(entry)
		if err != nil {
			return err
		}
		images = append(images, image)
	}
	if err := deliver(images); err != nil {
		return err
	}
	for _, image := range images {
		digest, err := image.Image.Digest()
		if err != nil {
			return err
		}
		made := Made{image.Entry.Repository, image.Entry.Tag, digest.String(), image.Entry.Behaviour}
		if err := json.NewEncoder(log).Encode(made); err != nil {
			return err
		}
	}
	return nil
}

// write puts each image in an OCI layout of its own under folder.
func write(folder string, images []Assembled) error {
	for _, image := range images {
		target, err := layout.Write(filepath.Join(folder, image.Entry.Repository, image.Entry.Tag), empty.Index)
		if err != nil {
			return err
		}
		annotations := map[string]string{"org.opencontainers.image.ref.name": image.Entry.Tag}
		if err := target.AppendImage(image.Image, layout.WithAnnotations(annotations)); err != nil {
			return fmt.Errorf("%s: %w", image.Entry.Name(), err)
		}
	}
	return nil
}

// pusher keeps what was already sent to a registry, so that the shared layer travels once a repository.
type pusher struct {
	registry name.Registry
	remote   *remote.Pusher
}

func newPusher(registry, password string) (*pusher, error) {
	// Plain HTTP is spoken to loopback registries only.
	parsed, err := name.NewRegistry(registry)
	if err != nil {
		return nil, err
	}
	auth := authn.FromConfig(authn.AuthConfig{Username: "AWS", Password: password})
	sender, err := remote.NewPusher(remote.WithAuth(auth))
	if err != nil {
		return nil, err
	}
	return &pusher{parsed, sender}, nil
}

// push sends what is small of every image first. A registry that writes all it
// has down after each request, as an emulator does, then does so with the large
// layers only at the end: a quarter of the time.
func (p *pusher) push(ctx context.Context, images []Assembled) error {
	for _, image := range images {
		config, err := partial.ConfigLayer(image.Image)
		if err != nil {
			return err
		}
		for _, layer := range []v1.Layer{image.Model, config} {
			if err := p.remote.Upload(ctx, p.registry.Repo(image.Entry.Repository), layer); err != nil {
				return fmt.Errorf("%s: %w", image.Entry.Name(), err)
			}
		}
	}
	for _, image := range images {
		tag := p.registry.Repo(image.Entry.Repository).Tag(image.Entry.Tag)
		if err := p.remote.Push(ctx, tag, image.Image); err != nil {
			return fmt.Errorf("%s: %w", image.Entry.Name(), err)
		}
	}
	return nil
}
