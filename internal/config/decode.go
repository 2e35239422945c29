package config

import (
	"encoding"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// maxDepth bounds how deep things stand in each other; an alias may stand in
// itself.
const maxDepth = 20

// maxNodes bounds how much a file can say: aliases multiply.
const maxNodes = 100_000

// reader turns nodes into values.
type reader struct {
	doc     *Document
	anchors map[string]ast.Node
	depth   int
	nodes   int
}

func (r *reader) wrong(n ast.Node, path, format string, args ...any) {
	if path != "" {
		format = path + ": " + format
	}
	r.doc.add(line(n), format, args...)
}

func line(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}

// plain returns the node that stands behind tags, anchors and aliases.
func (r *reader) plain(n ast.Node) ast.Node {
	for range maxDepth {
		switch at := n.(type) {
		case *ast.TagNode:
			n = at.Value
		case *ast.AnchorNode:
			r.anchors[at.Name.GetToken().Value] = at.Value
			n = at.Value
		case *ast.AliasNode:
			name := at.Value.GetToken().Value
			found, ok := r.anchors[name]
			if !ok {
				r.wrong(n, "", "there is no anchor &%s before this line", name)
				return nil
			}
			n = found
		default:
			return n
		}
	}
	r.wrong(n, "", "the aliases stand in each other")
	return nil
}

// decode reads a node into a value.
func (r *reader) decode(n ast.Node, path string, into reflect.Value) {
	r.depth++
	r.nodes++
	defer func() { r.depth-- }()
	switch {
	case r.depth > maxDepth:
		r.wrong(n, path, "this stands too deep")
		return
	case r.nodes == maxNodes:
		r.wrong(n, path, "this is too much for a configuration")
		return
	case r.nodes > maxNodes:
		return
	}
	if n = r.plain(n); n == nil {
		return
	}
	if _, null := n.(*ast.NullNode); null {
		return // it is as if it were not there
	}
	if u, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if text, ok := r.scalar(n, path, "a text"); ok {
			if err := u.UnmarshalText([]byte(text)); err != nil {
				r.wrong(n, path, "%v", err)
			}
		}
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		r.decode(n, path, into.Elem())
	case reflect.Struct:
		r.object(n, path, into)
	case reflect.Map:
		r.table(n, path, into)
	case reflect.Slice:
		r.list(n, path, into)
	default:
		r.value(n, path, into)
	}
}

// scalar returns the text of a node that is no list or mapping, and notes it.
func (r *reader) scalar(n ast.Node, path, want string) (string, bool) {
	text := ""
	switch n := n.(type) {
	case *ast.StringNode:
		text = n.Value
	case *ast.LiteralNode:
		text = n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		text = n.GetToken().Value
	default:
		r.wrong(n, path, "this has to be %s, not %s", want, kindOf(n))
		return "", false
	}
	r.doc.values[path] = text
	return text, true
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "settings by name"
	case *ast.SequenceNode:
		return "a list"
	default:
		return "a value"
	}
}

var durationType = reflect.TypeFor[time.Duration]()

// value reads a scalar.
func (r *reader) value(n ast.Node, path string, into reflect.Value) {
	want := map[reflect.Kind]string{
		reflect.String: "a text", reflect.Bool: "true or false", reflect.Float32: "a number", reflect.Float64: "a number",
	}[into.Kind()]
	if want == "" {
		want = "a whole number"
	}
	if into.Type() == durationType {
		want = `a duration such as "10s"`
	}
	text, ok := r.scalar(n, path, want)
	if !ok {
		return
	}
	var err error
	switch kind := into.Kind(); {
	case into.Type() == durationType:
		var d time.Duration
		d, err = time.ParseDuration(text)
		into.SetInt(int64(d))
	case kind == reflect.String:
		into.SetString(text)
	case kind == reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(text)
		into.SetBool(b)
	case kind == reflect.Float32 || kind == reflect.Float64:
		var f float64
		if f, err = strconv.ParseFloat(text, into.Type().Bits()); math.IsNaN(f) || math.IsInf(f, 0) {
			err = strconv.ErrRange
		}
		into.SetFloat(f)
	default:
		var i int64
		i, err = strconv.ParseInt(text, 0, into.Type().Bits())
		into.SetInt(i)
	}
	if err != nil {
		r.wrong(n, path, "%q is not %s", text, want)
	}
}

// list reads a list. That of scalars is noted as a whole, too.
func (r *reader) list(n ast.Node, path string, into reflect.Value) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		r.wrong(n, path, "this has to be a list, such as [a, b], not %s", kindOf(n))
		return
	}
	out := reflect.MakeSlice(into.Type(), len(seq.Values), len(seq.Values))
	texts := []any{}
	for i, item := range seq.Values {
		at := path + "[" + strconv.Itoa(i) + "]"
		r.doc.lines[at] = line(item)
		r.decode(item, at, out.Index(i))
		if text, ok := r.doc.values[at]; ok {
			texts = append(texts, text)
		}
	}
	if len(texts) == len(seq.Values) {
		r.doc.values[path] = texts
	}
	into.Set(out)
}

// entries returns what a mapping maps.
func (r *reader) entries(n ast.Node, path string) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	r.wrong(n, path, "this has to be settings by name, such as {name: value}, not %s", kindOf(n))
	return nil
}

// key returns the name that an entry is for.
func (r *reader) key(e *ast.MappingValueNode) string {
	if s, ok := e.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return e.Key.GetToken().Value
}

// table reads a mapping of names that the file chooses.
func (r *reader) table(n ast.Node, path string, into reflect.Value) {
	out := reflect.MakeMap(into.Type())
	for _, e := range r.entries(n, path) {
		name := r.key(e)
		at := path + "." + name
		r.note(at, e.Key)
		value := reflect.New(into.Type().Elem()).Elem()
		r.decode(e.Value, at, value)
		out.SetMapIndex(reflect.ValueOf(name), value)
	}
	into.Set(out)
}

func (r *reader) note(path string, n ast.Node) {
	r.doc.lines[path] = line(n)
	r.doc.known = append(r.doc.known, path)
}

// object reads a mapping of names that a struct has.
func (r *reader) object(n ast.Node, path string, into reflect.Value) {
	fields := map[string]reflect.Value{}
	fieldsOf(into, fields)
	for _, e := range r.entries(n, path) {
		name := r.key(e)
		at := name
		if path != "" {
			at = path + "." + name
		}
		field, ok := fields[name]
		if !ok {
			r.doc.add(line(e.Key), "%s", unknown(name, path, fields))
			continue
		}
		r.note(at, e.Key)
		r.decode(e.Value, at, field)
	}
}

// fieldsOf gathers the fields of a struct by their names in the file.
func fieldsOf(v reflect.Value, fields map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, tagged := f.Tag.Lookup("conf")
		switch {
		case f.Anonymous && !tagged:
			fieldsOf(v.Field(i), fields)
		case tagged && name != "-":
			fields[name] = v.Field(i)
		}
	}
}
