package web_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/starling-rt/starling/web"
)

// fetchPackage returns the package as it is served, and the files in it.
func fetchPackage(t *testing.T) ([]byte, map[string]string) {
	t.Helper()
	w := httptest.NewRecorder()
	web.SDK().ServeHTTP(w, httptest.NewRequest("GET", "/sdk/starling.tgz", nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/gzip" || w.Header().Get("ETag") == "" {
		t.Fatalf("got status %d, type %q, ETag %q", w.Code, w.Header().Get("Content-Type"), w.Header().Get("ETag"))
	}
	z, err := gzip.NewReader(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(z); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return w.Body.Bytes(), files
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(head.Name, "package/")
		if !ok || head.Mode != 0o644 || head.ModTime.Year() != 1985 {
			t.Errorf("%s: mode %o, time %v", head.Name, head.Mode, head.ModTime)
		}
		files[name] = string(body)
	}
}

func TestThePackageHasWhatItExports(t *testing.T) {
	_, files := fetchPackage(t)
	var m struct {
		Name, Version string
		Exports       map[string]map[string]string
		Dev           any `json:"devDependencies"`
		Scripts       any
	}
	if err := json.Unmarshal([]byte(files["package.json"]), &m); err != nil {
		t.Fatal(err)
	}
	if m.Name != "@starling-rt/client" || m.Version == "" || m.Dev != nil || m.Scripts != nil {
		t.Errorf("package.json is %s", files["package.json"])
	}
	for _, sub := range []string{".", "./react", "./devtools", "./testing"} {
		if len(m.Exports[sub]) == 0 {
			t.Errorf("%q is not exported", sub)
		}
		for kind, file := range m.Exports[sub] {
			if files[strings.TrimPrefix(file, "./")] == "" {
				t.Errorf("%q exports %s as %s, which is not there", sub, file, kind)
			}
		}
	}
	for _, name := range []string{"README.md", "LICENSE"} {
		if files[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
	license, err := os.ReadFile("../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	if files["LICENSE"] != string(license) {
		t.Error("web/sdk/LICENSE is not LICENSE")
	}
}

func TestThePackageIsTheSameEachTime(t *testing.T) {
	first, _ := fetchPackage(t)
	second, _ := fetchPackage(t)
	if !bytes.Equal(first, second) {
		t.Error("two packages of the same files differ")
	}
}
