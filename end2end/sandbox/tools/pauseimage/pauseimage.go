// Package pauseimage writes the image every pod's sandbox container runs.
package pauseimage

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Main writes an archive that `ctr images import` takes, with one static binary in it.
func Main(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("pause-image", flag.ContinueOnError)
	binary := flags.String("binary", "", "the static binary that becomes /pause")
	image := flags.String("name", "", "the image's name with its tag")
	out := flags.String("out", "", "the archive to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *binary == "" || *image == "" || *out == "" {
		return errors.New("--binary, --name and --out are all needed")
	}
	tag, err := name.NewTag(*image)
	if err != nil {
		return err
	}
	program, err := os.ReadFile(*binary)
	if err != nil {
		return err
	}
	built, err := build(program)
	if err != nil {
		return fmt.Errorf("assembling %s: %w", *image, err)
	}
	return tarball.WriteToFile(*out, tag, built)
}

func build(program []byte) (v1.Image, error) {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	if err := writer.WriteHeader(&tar.Header{Name: "pause", Mode: 0o755, Size: int64(len(program))}); err != nil {
		return nil, err
	}
	if _, err := writer.Write(program); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	})
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	// Numeric, since the image has no user database to look a name up in.
	file.Config = v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535"}
	return mutate.ConfigFile(image, file)
}
