package starling_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/starling-rt/starling/internal/api"
)

// described holds requests and responses against the description of the API.
type described struct{ doc map[string]any }

func description(t *testing.T) *described {
	t.Helper()
	d := &described{}
	if err := json.Unmarshal(api.OpenAPI, &d.doc); err != nil {
		t.Fatal(err)
	}
	return d
}

// at follows a path of keys.
func at(v any, keys ...string) any {
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

// operation returns the description of a request: its path with parameters filled in
// must match one path.
func (d *described) operation(method, path string) map[string]any {
	path, _, _ = strings.Cut(strings.TrimPrefix(path, "/api/v1"), "?")
	for pattern, methods := range d.doc["paths"].(map[string]any) {
		expr := "^" + regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(pattern), "[^/]+") + "$"
		if regexp.MustCompile(expr).MatchString(path) {
			if op, ok := at(methods, strings.ToLower(method)).(map[string]any); ok {
				return op
			}
		}
	}
	return nil
}

// request returns why a body is not as described.
func (d *described) request(method, path, body string) error {
	op := d.operation(method, path)
	if op == nil {
		return fmt.Errorf("%s %s is not described", method, path)
	}
	schema := at(op, "requestBody", "content", "application/json", "schema")
	if schema == nil {
		if body != "" {
			return fmt.Errorf("%s %s has no body", method, path)
		}
		return nil
	}
	return d.text(schema, body)
}

// response returns why an answer is not as described.
func (d *described) response(method, path string, status int, body string) error {
	which := "default"
	if status == 200 {
		which = "200"
	}
	r := d.resolve(at(d.operation(method, path), "responses", which))
	schema := at(r, "content", "application/json", "schema")
	if schema == nil {
		return fmt.Errorf("no answer %d of %s %s is described", status, method, path)
	}
	return d.text(schema, body)
}

func (d *described) text(schema any, body string) error {
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		return err
	}
	return d.check(schema, v, "")
}

func (d *described) resolve(schema any) any {
	if ref, ok := at(schema, "$ref").(string); ok {
		return d.resolve(at(d.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...))
	}
	return schema
}

// check knows as much of JSON Schema as the description uses.
func (d *described) check(schema, v any, where string) error {
	s, ok := d.resolve(schema).(map[string]any)
	if !ok {
		return fmt.Errorf("%s: the schema is no object", where)
	}
	if c, ok := s["const"]; ok && c != v {
		return fmt.Errorf("%s: %v is not %v", where, v, c)
	}
	for _, key := range []string{"allOf", "oneOf", "anyOf"} {
		list, ok := s[key].([]any)
		if !ok {
			continue
		}
		fit := 0
		for _, one := range list {
			if d.check(one, v, where) == nil {
				fit++
			}
		}
		if fit == 0 || key == "oneOf" && fit != 1 || key == "allOf" && fit != len(list) {
			return fmt.Errorf("%s: %v fits %d of %s", where, v, fit, key)
		}
	}
	kind := map[string]string{"string": "string", "float64": "integer", "bool": "boolean", "map[string]interface {}": "object", "[]interface {}": "array"}[fmt.Sprintf("%T", v)]
	if want, ok := s["type"].(string); ok && want != kind {
		return fmt.Errorf("%s: %v is no %s", where, v, want)
	}
	switch v := v.(type) {
	case string:
		return checkString(s, v, where)
	case float64:
		if low, ok := s["minimum"].(float64); ok && v < low {
			return fmt.Errorf("%s: %v is under %v", where, v, low)
		}
		if high, ok := s["maximum"].(float64); ok && v > high {
			return fmt.Errorf("%s: %v is over %v", where, v, high)
		}
	case []any:
		if most, ok := s["maxItems"].(float64); ok && len(v) > int(most) {
			return fmt.Errorf("%s: %d items", where, len(v))
		}
		for i, item := range v {
			if s["items"] != nil {
				if err := d.check(s["items"], item, fmt.Sprintf("%s[%d]", where, i)); err != nil {
					return err
				}
			}
		}
	case map[string]any:
		return d.checkObject(s, v, where)
	}
	return nil
}

func checkString(s map[string]any, v, where string) error {
	n := float64(utf8.RuneCountInString(v))
	if low, ok := s["minLength"].(float64); ok && n < low {
		return fmt.Errorf("%s: %q is too short", where, v)
	}
	if high, ok := s["maxLength"].(float64); ok && n > high {
		return fmt.Errorf("%s: %q is too long", where, v)
	}
	if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
		return fmt.Errorf("%s: %q is not %s", where, v, p)
	}
	return nil
}

func (d *described) checkObject(s, v map[string]any, where string) error {
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Errorf("%s: %v is missing", where, name)
		}
	}
	if low, ok := s["minProperties"].(float64); ok && len(v) < int(low) {
		return fmt.Errorf("%s: %d properties", where, len(v))
	}
	if high, ok := s["maxProperties"].(float64); ok && len(v) > int(high) {
		return fmt.Errorf("%s: %d properties", where, len(v))
	}
	properties, _ := s["properties"].(map[string]any)
	for name, value := range v {
		schema := properties[name]
		if schema == nil {
			switch extra := s["additionalProperties"].(type) {
			case bool:
				if !extra {
					return fmt.Errorf("%s: there is no %s", where, name)
				}
				continue
			case map[string]any:
				schema = extra
			default:
				continue
			}
		}
		if err := d.check(schema, value, where+"."+name); err != nil {
			return err
		}
	}
	return nil
}

// The checker tells what fits from what does not.
func TestTheSchemaChecker(t *testing.T) {
	d := description(t)
	for body, fits := range map[string]bool{
		`{"channel":"a","data":1}`:                        true,
		`{"channels":["a"],"data":null,"tags":{"a":"b"}}`: true,
		`{"channel":"a","channels":["a"],"data":1}`:       false,
		`{"data":1}`:                                             false,
		`{"channel":"a"}`:                                        false,
		`{"channel":"a b","data":1}`:                             false,
		`{"channel":"a","data":1,"tags":{"a":1}}`:                false,
		`{"channel":"a","data":1,"more":1}`:                      false,
		`{"channel":"a","data":1,"key":` + long(129) + `}`:       false,
		`{"channel":7,"data":1}`:                                 false,
		`{"channel":"` + strings.Repeat("a", 256) + `"}`:         false,
		`{"channels":{},"data":1}`:                               false,
		`{"channels":[` + strings.Repeat(`"a",`, 1000) + `"a"]}`: false,
	} {
		if err := d.request("POST", "/api/v1/publish", body); (err == nil) != fits {
			t.Errorf("%.60s: %v", body, err)
		}
	}
	refs := regexp.MustCompile(`"#/[^"]+"`).FindAllString(string(api.OpenAPI), -1)
	slices.Sort(refs)
	for _, ref := range slices.Compact(refs) {
		if at(d.doc, strings.Split(strings.Trim(ref, `"#/`), "/")...) == nil {
			t.Errorf("%s leads nowhere", ref)
		}
	}
}

func long(n int) string { return `"` + strings.Repeat("k", n) + `"` }
