package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Catalogue lists the images to make.
type Catalogue struct {
	Images []Entry `json:"images"`
	// folder holds the files that entries name.
	folder string
}

// Entry describes one image: the server, a model's files and settings.
type Entry struct {
	Repository  string `json:"repository"`
	Tag         string `json:"tag"`
	Description string `json:"description"`
	// Behaviour says what a deployment of the image does: "serves", or how it fails.
	Behaviour string `json:"behaviour"`
	// Port is the one the image declares.
	Port int `json:"port"`
	// Files maps a path in the image to a file beside the catalogue.
	Files map[string]string `json:"files"`
	Env   map[string]string `json:"env"`
}

// Name is the repository and tag as people write them.
func (e Entry) Name() string { return e.Repository + ":" + e.Tag }

// ReadCatalogue reads and checks the catalogue at file.
func ReadCatalogue(file string) (*Catalogue, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	catalogue := Catalogue{folder: filepath.Dir(file)}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&catalogue); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	seen := map[string]bool{}
	for _, entry := range catalogue.Images {
		if err := entry.check(); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, entry.Name(), err)
		}
		if seen[entry.Name()] {
			return nil, fmt.Errorf("%s: %s is listed twice", file, entry.Name())
		}
		seen[entry.Name()] = true
	}
	return &catalogue, nil
}

func (e Entry) check() error {
	switch {
	case e.Repository == "" || e.Tag == "":
		return errors.New("repository and tag are needed")
	case e.Description == "" || e.Behaviour == "":
		return errors.New("description and behaviour are needed")
	case e.Port < 1 || e.Port > 65535:
		return fmt.Errorf("%d is not a port", e.Port)
	case len(e.Files) == 0:
		return errors.New("an image without files has no model")
	}
	for target := range e.Files {
		if !path.IsAbs(target) || path.Clean(target) != target || target == serverPath {
			return fmt.Errorf("%q is not a place for a file in the image", target)
		}
	}
	return nil
}

// Select returns the entries with these names, or all of them when there are none.
func (c *Catalogue) Select(names []string) ([]Entry, error) {
	if len(names) == 0 {
		return c.Images, nil
	}
	selected := make([]Entry, 0, len(names))
	for _, name := range names {
		at := slices.IndexFunc(c.Images, func(entry Entry) bool { return entry.Name() == name })
		if at < 0 {
			return nil, fmt.Errorf("no image %s in the catalogue", name)
		}
		selected = append(selected, c.Images[at])
	}
	return selected, nil
}
