package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// The limits at which a test fails; what to aim at is half of each.
const (
	maxFileLines    = 800
	maxFuncLines    = 70
	maxStructFields = 20
	maxPackageLines = 5000
)

// sleepers are the files that may call time.Sleep, each with its reason.
var sleepers = map[string]string{}

func TestSizes(t *testing.T) {
	top := root(t)
	lines := map[string]int{}
	eachGoFile(t, top, func(rel string, fset *token.FileSet, f *ast.File) {
		n := fset.File(f.Pos()).LineCount()
		if n > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", rel, n, maxFileLines)
		}
		if !strings.HasSuffix(rel, "_test.go") {
			lines[filepath.Dir(rel)] += n
		}
		ast.Inspect(f, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.FuncDecl:
				n := fset.Position(node.End()).Line - fset.Position(node.Pos()).Line + 1
				if n > maxFuncLines && !isTable(rel, node) {
					t.Errorf("%s: func %s has %d lines, more than %d", rel, node.Name.Name, n, maxFuncLines)
				}
			case *ast.TypeSpec:
				if s, ok := node.Type.(*ast.StructType); ok && s.Fields.NumFields() > maxStructFields {
					t.Errorf("%s: struct %s has %d fields, more than %d", rel, node.Name.Name, s.Fields.NumFields(), maxStructFields)
				}
			}
			return true
		})
	})
	for dir, n := range lines {
		if n > maxPackageLines {
			t.Errorf("package %s has %d lines, more than %d", dir, n, maxPackageLines)
		}
	}
}

// isTable tells test functions, whose length is mostly rows of a table.
func isTable(rel string, f *ast.FuncDecl) bool {
	return strings.HasSuffix(rel, "_test.go") && strings.HasPrefix(f.Name.Name, "Test")
}

func TestNoSleep(t *testing.T) {
	eachGoFile(t, root(t), func(rel string, fset *token.FileSet, f *ast.File) {
		ast.Inspect(f, func(node ast.Node) bool {
			sel, ok := node.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Sleep" {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == "time" && sleepers[rel] == "" {
				t.Errorf("%s calls time.Sleep: force the schedule, or wait for what is awaited", fset.Position(sel.Pos()))
			}
			return true
		})
	})
}

func eachGoFile(t *testing.T, top string, visit func(rel string, fset *token.FileSet, f *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", "node_modules", "testdata", ".cache", "bin", "data":
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		visit(rel, fset, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
