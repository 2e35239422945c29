package yjs

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/starling-rt/starling/yjs/internal/lib0"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// maxNesting bounds how deep reading goes into nested types; what is deeper is
// left out.
const maxNesting = 500

// String is the array as JSON.
func (a *Array) String() string { return a.d.text(a) }

// String is the map as JSON.
func (m *Map) String() string { return m.d.text(m) }

// JSON is the content as a plain value: arrays and maps with all that is in them,
// text as a string, XML as its source, a subdocument as its GUID.
func JSON(c Content) Value { return jsonOf(c, 0) }

func jsonOf(c Content, depth int) Value {
	if depth > maxNesting {
		return Null()
	}
	switch c := c.(type) {
	case Value:
		return c
	case *Array:
		var list []Value
		for _, x := range c.All() {
			list = append(list, jsonOf(x, depth+1))
		}
		return List(list...)
	case *XMLHook:
		return jsonOf(&c.Map, depth)
	case *Map:
		var fields []Field
		for k, x := range c.All() {
			fields = append(fields, Field{Key: k, Value: jsonOf(x, depth+1)})
		}
		return Object(fields...)
	case *XMLText:
		var b strings.Builder
		writeXML(&b, c, depth)
		return lib0.String(b.String())
	case *XMLFragment, *XMLElement:
		var b strings.Builder
		writeXML(&b, c, depth)
		return lib0.String(b.String())
	}
	return lib0.String(c.String())
}

// JSON is the whole document as an object of its root types. Roots that nobody
// has asked for by kind are left out, as their kind is not part of an update.
func (d *Doc) JSON() Value {
	var fields []Field
	for _, t := range d.s.Roots {
		if d.s.Types[t].Kind != store.KindUnknown {
			fields = append(fields, Field{Key: d.s.Keys[d.s.Types[t].Name], Value: JSON(d.wrap(t))})
		}
	}
	return Object(fields...)
}

// text is the content as a string. The receiver may be nil.
func (d *Doc) text(c Content) string {
	switch c := c.(type) {
	case *XMLFragment, *XMLElement, *XMLText:
		var b strings.Builder
		writeXML(&b, c, 0)
		return b.String()
	case *XMLHook:
		return JSON(&c.Map).String()
	}
	return JSON(c).String()
}

func writeXML(b *strings.Builder, c Content, depth int) {
	if depth > maxNesting {
		return
	}
	switch c := c.(type) {
	case *XMLElement:
		name := strings.ToLower(c.Name())
		b.WriteString("<" + name)
		var keys []string
		for k := range c.Attrs() {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, compareUTF16)
		for _, k := range keys {
			v, _ := c.Attr(k)
			b.WriteString(" " + k + `="` + jsString(v) + `"`)
		}
		b.WriteByte('>')
		writeXML(b, &c.XMLFragment, depth)
		b.WriteString("</" + name + ">")
	case *XMLFragment:
		for _, x := range c.All() {
			writeXML(b, x, depth+1)
		}
	case *XMLText:
		writeXMLText(b, c)
	default:
		b.WriteString(jsString(c))
	}
}

func writeXMLText(b *strings.Builder, t *XMLText) {
	for _, op := range t.Delta() {
		attrs := slices.Clone(op.Attrs)
		slices.SortFunc(attrs, func(x, y Attr) int { return compareUTF16(x.Key, y.Key) })
		for _, a := range attrs {
			b.WriteString("<" + a.Key)
			writeFields(b, a.Value)
			b.WriteByte('>')
		}
		if op.Embed != nil {
			b.WriteString(jsString(op.Embed))
		} else {
			b.WriteString(op.Insert)
		}
		for _, a := range slices.Backward(attrs) {
			b.WriteString("</" + a.Key + ">")
		}
	}
}

// writeFields writes what JavaScript's for…in finds in a value as attributes.
func writeFields(b *strings.Builder, v Value) {
	type kv struct{ k, v string }
	var all []kv
	switch v.Kind() {
	case KindObject:
		for i := range v.Len() {
			all = append(all, kv{v.Key(i), jsString(v.At(i))})
		}
	case KindArray:
		for i := range v.Len() {
			all = append(all, kv{strconv.Itoa(i), jsString(v.At(i))})
		}
	case KindString:
		for i, u := range utf16.Encode([]rune(v.Text())) {
			all = append(all, kv{strconv.Itoa(i), string(utf16.Decode([]uint16{u}))})
		}
	}
	slices.SortFunc(all, func(x, y kv) int { return compareUTF16(x.k, y.k) })
	for _, x := range all {
		b.WriteString(" " + x.k + `="` + x.v + `"`)
	}
}

// jsString is what JavaScript's String(x) gives.
func jsString(c Content) string {
	switch c := c.(type) {
	case Value:
		return jsValue(c)
	case *Text, *XMLText, *XMLFragment, *XMLElement:
		return c.String()
	}
	return "[object Object]"
}

func jsValue(v Value) string {
	switch v.Kind() {
	case KindUndefined:
		return "undefined"
	case KindString:
		return v.Text()
	case KindNumber:
		return string(lib0.AppendJSDigits(nil, v.Number()))
	case KindArray:
		parts := make([]string, v.Len())
		for i := range parts {
			if !v.At(i).IsNull() {
				parts[i] = jsValue(v.At(i))
			}
		}
		return strings.Join(parts, ",")
	case KindBytes:
		var parts []string
		for _, x := range v.Bytes() {
			parts = append(parts, strconv.Itoa(int(x)))
		}
		return strings.Join(parts, ",")
	case KindObject:
		return "[object Object]"
	}
	return v.String()
}

// compareUTF16 orders strings as JavaScript does.
func compareUTF16(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] == b[i] {
			continue
		}
		// Characters beyond U+FFFF, which begin with F0 and up, sort as surrogates,
		// before U+E000 to U+FFFF, which begin with EE and EF.
		x, y := a[i], b[i]
		if x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) {
			x, y = y, x
		}
		return int(x) - int(y)
	}
	return len(a) - len(b)
}
