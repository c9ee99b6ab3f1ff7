package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// serverPath is where the server lies in every image.
	serverPath = "/model-server"
	// user is the conventional "nonroot" of images without a system.
	user = "65532:65532"
)

// epoch is the time of everything in an image, so that the same inputs make the same digest.
var epoch = time.Unix(0, 0).UTC()

// Assembler makes images that share one layer with the server.
type Assembler struct {
	catalogue    *Catalogue
	server       v1.Layer
	architecture string
}

// Assembled is an image that was made of a catalogue's entry.
type Assembled struct {
	Entry Entry
	Image v1.Image
	// Model is the layer that this image does not share.
	Model v1.Layer
}

// NewAssembler reads the server program, which must be static: the images hold nothing else.
func NewAssembler(catalogue *Catalogue, serverFile string) (*Assembler, error) {
	architecture, err := staticArchitecture(serverFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", serverFile, err)
	}
	program, err := os.ReadFile(serverFile)
	if err != nil {
		return nil, err
	}
	layer, err := newLayer(map[string]file{serverPath: {program, 0o755}})
	if err != nil {
		return nil, err
	}
	return &Assembler{catalogue, layer, architecture}, nil
}

// Assemble makes the image that entry describes.
func (a *Assembler) Assemble(entry Entry) (Assembled, error) {
	files := make(map[string]file, len(entry.Files))
	for target, source := range entry.Files {
		content, err := os.ReadFile(filepath.Join(a.catalogue.folder, source))
		if err != nil {
			return Assembled{}, fmt.Errorf("%s: %w", entry.Name(), err)
		}
		files[target] = file{content, 0o644}
	}
	model, err := newLayer(files)
	if err != nil {
		return Assembled{}, err
	}
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	image, err = mutate.Append(image,
		mutate.Addendum{Layer: a.server, History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "the model server"}},
		mutate.Addendum{Layer: model, History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "the model"}},
	)
	if err != nil {
		return Assembled{}, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return Assembled{}, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", a.architecture
	config.Created = v1.Time{Time: epoch}
	config.Config = v1.Config{
		User:         user,
		Entrypoint:   []string{serverPath},
		WorkingDir:   "/",
		Env:          environment(entry.Env),
		ExposedPorts: map[string]struct{}{fmt.Sprintf("%d/tcp", entry.Port): {}},
		StopSignal:   "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title":       entry.Repository,
			"org.opencontainers.image.version":     entry.Tag,
			"org.opencontainers.image.description": entry.Description,
		},
	}
	image, err = mutate.ConfigFile(image, config)
	return Assembled{entry, image, model}, err
}

func environment(env map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

type file struct {
	content []byte
	mode    int64
}

// newLayer packs files, and the folders they need, in a fixed order with fixed times and owners.
func newLayer(files map[string]file) (v1.Layer, error) {
	var packed bytes.Buffer
	writer := tar.NewWriter(&packed)
	folders := map[string]bool{"/": true}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := writeFolders(writer, path.Dir(name), folders); err != nil {
			return nil, err
		}
		header := tar.Header{
			Typeflag: tar.TypeReg, Name: strings.TrimPrefix(name, "/"), ModTime: epoch,
			Size: int64(len(files[name].content)), Mode: files[name].mode,
		}
		if err := writer.WriteHeader(&header); err != nil {
			return nil, err
		}
		if _, err := writer.Write(files[name].content); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

func writeFolders(writer *tar.Writer, folder string, written map[string]bool) error {
	if written[folder] {
		return nil
	}
	if err := writeFolders(writer, path.Dir(folder), written); err != nil {
		return err
	}
	written[folder] = true
	return writer.WriteHeader(&tar.Header{
		Typeflag: tar.TypeDir, Name: strings.TrimPrefix(folder, "/") + "/", ModTime: epoch, Mode: 0o755,
	})
}

// staticArchitecture returns an image's architecture for a program that needs no loader.
func staticArchitecture(program string) (string, error) {
	binary, err := elf.Open(program)
	if err != nil {
		return "", err
	}
	defer binary.Close()
	for _, segment := range binary.Progs {
		if segment.Type == elf.PT_INTERP {
			return "", fmt.Errorf("is linked dynamically, but the image holds no libraries")
		}
	}
	switch binary.Machine {
	case elf.EM_X86_64:
		return "amd64", nil
	case elf.EM_AARCH64:
		return "arm64", nil
	default:
		return "", fmt.Errorf("is for %v, which no node here is", binary.Machine)
	}
}
