package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Document is a file that was read: what it says, and on which line.
type Document struct {
	name   string
	lines  map[string]int
	values map[string]any
	known  []string // the paths, in the order of the file
	errs   []mistake
}

type mistake struct {
	line int
	text string
}

// maxMistakes is how many mistakes are told at once.
const maxMistakes = 20

// Decode reads the bytes of a file into a struct. The document is there even if
// there is an error, but what is wrong is left out.
func Decode(name string, raw []byte, into any) (*Document, error) {
	d := &Document{name: name, lines: map[string]int{}, values: map[string]any{}}
	if json.Valid(raw) {
		// YAML takes no tabs between tokens. In JSON they can stand nowhere else.
		raw = bytes.ReplaceAll(raw, []byte("\t"), []byte(" "))
	}
	f, err := parser.ParseBytes(raw, 0)
	if err != nil {
		d.syntax(err)
		return d, d.Err()
	}
	docs := f.Docs
	if len(docs) > 1 {
		d.add(docs[1].GetToken().Position.Line, "there is a second document: a configuration is one, without ---")
		return d, d.Err()
	}
	if len(docs) == 0 || docs[0].Body == nil {
		return d, nil // empty, or comments alone
	}
	r := reader{doc: d, anchors: map[string]ast.Node{}}
	r.decode(docs[0].Body, "", reflect.ValueOf(into).Elem())
	return d, d.Err()
}

func (d *Document) syntax(err error) {
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) && syntax.Token != nil && syntax.Token.Position != nil {
		text := strings.TrimSuffix(syntax.Message, ".")
		if strings.Contains(text, "\t") {
			text = "a tab cannot indent YAML: use spaces"
		}
		d.add(syntax.Token.Position.Line, "this is not YAML: %s", text)
		return
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	d.add(1, "this is not YAML: %s", first)
}

// Value returns the text of a setting, or a list of such, as it stands in the
// file; nil if the file does not say it.
func (d *Document) Value(path string) any { return d.values[path] }

// Paths returns the settings that the file has, in its order.
func (d *Document) Paths() []string { return d.known }

// Mistake notes that a setting is wrong, for checks that Decode cannot make.
func (d *Document) Mistake(path, format string, args ...any) {
	line := 0
	for p := path; line == 0 && p != ""; p = parent(p) {
		line = d.lines[p]
	}
	d.add(max(line, 1), "%s: %s", path, fmt.Sprintf(format, args...))
}

// parent returns the path of what holds a setting.
func parent(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

func (d *Document) add(line int, format string, args ...any) {
	d.errs = append(d.errs, mistake{line, fmt.Sprintf(format, args...)})
}

// Err returns all mistakes as one error, a line each, or nil.
func (d *Document) Err() error {
	if len(d.errs) == 0 {
		return nil
	}
	sort.SliceStable(d.errs, func(i, j int) bool { return d.errs[i].line < d.errs[j].line })
	var lines []string
	for i, m := range d.errs {
		if i == maxMistakes {
			lines = append(lines, "and "+strconv.Itoa(len(d.errs)-i)+" more")
			break
		}
		lines = append(lines, fmt.Sprintf("%s, line %d: %s", d.name, m.line, m.text))
	}
	return errors.New(strings.Join(lines, "\n"))
}
