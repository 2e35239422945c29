package web

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"time"
)

//go:embed sdk/package.json sdk/README.md sdk/LICENSE
var packaged embed.FS

// packagePath is where the client is served as a package for npm.
const packagePath = "/sdk/starling.tgz"

// packageTime is the time of all files in the package: that which npm itself
// writes, so that the same files are the same package.
var packageTime = time.Date(1985, time.October, 26, 8, 15, 0, 0, time.UTC)

// manifest are the fields of package.json that concern who installs the package,
// and not who builds it.
type manifest struct {
	Name          string          `json:"name"`
	Version       string          `json:"version"`
	Description   string          `json:"description"`
	License       string          `json:"license"`
	Type          string          `json:"type"`
	SideEffects   bool            `json:"sideEffects"`
	Exports       json.RawMessage `json:"exports"`
	Engines       json.RawMessage `json:"engines"`
	PeerDeps      json.RawMessage `json:"peerDependencies"`
	OptionalPeers json.RawMessage `json:"peerDependenciesMeta"`
}

// mustPack returns the package as it is served.
func mustPack() *file {
	body, err := npmPackage()
	if err != nil {
		panic(err) // the files are embedded
	}
	return &file{contentType: "application/gzip", caching: always, plain: formOf("", body)}
}

// npmPackage packs the built client as npm would. The result depends on the files
// alone.
func npmPackage() ([]byte, error) {
	var zipped bytes.Buffer
	z, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(z)
	add := func(name string, body []byte) error {
		head := &tar.Header{Name: "package/" + name, Size: int64(len(body)), Mode: 0o644, ModTime: packageTime, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(head); err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		_, err := t.Write(body)
		return err
	}
	if err := packAbout(add); err != nil {
		return nil, err
	}
	built := Client()
	err = fs.WalkDir(built, ".", func(name string, d fs.DirEntry, err error) error { // in the order of the names
		if ext := path.Ext(name); err != nil || d.IsDir() || ext == ".br" || ext == ".gz" {
			return err
		}
		body, err := fs.ReadFile(built, name)
		if err != nil {
			return err
		}
		return add("dist/"+name, body)
	})
	if err != nil {
		return nil, err
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return zipped.Bytes(), nil
}

// packAbout adds what tells of the package.
func packAbout(add func(name string, body []byte) error) error {
	raw, err := packaged.ReadFile("sdk/package.json")
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("read package.json: %w", err)
	}
	raw, err = json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := add("package.json", append(raw, '\n')); err != nil {
		return err
	}
	for _, name := range []string{"LICENSE", "README.md"} {
		body, err := packaged.ReadFile("sdk/" + name)
		if err != nil {
			return err
		}
		if err := add(name, body); err != nil {
			return err
		}
	}
	return nil
}
