package manual

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/starling-rt/starling/internal/api"
)

// The parts of an OpenAPI description that the reference shows.
type (
	openAPI struct {
		Paths      map[string]map[string]operation `json:"paths"`
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	operation struct {
		ID          string             `json:"operationId"`
		Summary     string             `json:"summary"`
		Description string             `json:"description"`
		Parameters  []parameter        `json:"parameters"`
		Body        content            `json:"requestBody"`
		Responses   map[string]content `json:"responses"`
	}
	parameter struct {
		Name        string `json:"name"`
		In          string `json:"in"`
		Required    bool   `json:"required"`
		Description string `json:"description"`
		Schema      schema `json:"schema"`
	}
	content struct {
		Description string `json:"description"`
		Content     map[string]struct {
			Schema schema `json:"schema"`
		} `json:"content"`
	}
	schema struct {
		Ref         string            `json:"$ref"`
		Type        any               `json:"type"` // a name, or several
		Description string            `json:"description"`
		Const       any               `json:"const"`
		Enum        []any             `json:"enum"`
		Default     any               `json:"default"`
		Maximum     *float64          `json:"maximum"`
		MaxLength   *int              `json:"maxLength"`
		MaxItems    *int              `json:"maxItems"`
		Properties  map[string]schema `json:"properties"`
		Required    []string          `json:"required"`
		Items       *schema           `json:"items"`
		AnyOf       []schema          `json:"anyOf"`
	}
)

// httpReference is the reference of the HTTP API, made of its description.
func httpReference() ([]byte, error) {
	var d openAPI
	if err := json.Unmarshal(api.OpenAPI, &d); err != nil {
		return nil, fmt.Errorf("read the description of the API: %w", err)
	}
	var b bytes.Buffer
	b.WriteString(`# The HTTP API

For your backend: JSON over HTTP below ` + "`/api/v1`" + `, with the header ` + "`Authorization: Bearer KEY`" + `. A server with ` + "`--dev`" + ` asks for
no key. This page is made of the description in OpenAPI 3.1 that the server has at ` + "`/api/v1/openapi.json`" + `; [the guide](../guides/server-api.md)
tells how to use it. What fails is answered with one of the [errors](../errors.md).

`)
	for _, p := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[p])) {
			d.operation(&b, strings.ToUpper(method), p, d.Paths[p][method])
		}
	}
	b.WriteString("## Schemas\n\n")
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		s := d.Components.Schemas[name]
		fmt.Fprintf(&b, "### %s\n\n", name)
		if s.Description != "" {
			fmt.Fprintf(&b, "%s\n\n", s.Description)
		}
		if len(s.Properties) == 0 {
			fmt.Fprintf(&b, "%s.\n\n", s.kind())
			continue
		}
		s.fields(&b)
	}
	return b.Bytes(), nil
}

func (d *openAPI) operation(b *bytes.Buffer, method, path string, o operation) {
	fmt.Fprintf(b, "## %s %s\n\n%s.\n\n", method, path, strings.TrimSuffix(o.Summary, "."))
	if o.Description != "" {
		fmt.Fprintf(b, "%s\n\n", o.Description)
	}
	if len(o.Parameters) > 0 {
		b.WriteString("| parameter | in | | |\n|---|---|---|---|\n")
		for _, p := range o.Parameters {
			need := ""
			if p.Required {
				need = "required; "
			}
			fmt.Fprintf(b, "| `%s` | %s | %s%s | %s |\n", p.Name, p.In, need, p.Schema.kind(), cell(p.Description))
		}
		b.WriteString("\n")
	}
	if s, ok := o.Body.Content["application/json"]; ok {
		fmt.Fprintf(b, "**Body:** %s\n\n", s.Schema.kind())
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		if s, ok := o.Responses[status].Content["application/json"]; ok && status != "default" {
			fmt.Fprintf(b, "**Answer, %s:** %s\n\n", status, s.Schema.kind())
		}
	}
}

func (s schema) fields(b *bytes.Buffer) {
	b.WriteString("| field | | |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		need := ""
		if slices.Contains(s.Required, name) {
			need = "always; "
		}
		fmt.Fprintf(b, "| `%s` | %s%s | %s |\n", name, need, p.kind(), cell(p.Description))
	}
	b.WriteString("\n")
}

// kind tells in words what a value is.
func (s schema) kind() string {
	switch {
	case s.Ref != "":
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return "[" + name + "](#" + slug(name) + ")"
	case s.Const != nil:
		return fmt.Sprintf("`%v`", s.Const)
	case len(s.AnyOf) > 0:
		var all []string
		for _, one := range s.AnyOf {
			all = append(all, one.kind())
		}
		return strings.Join(all, " or ")
	}
	kind, limits := "any value", []string(nil)
	if s.Type != nil {
		kind = strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Type), " ", " or "), "[]")
	}
	if s.Items != nil {
		kind += " of " + s.Items.kind()
	}
	if len(s.Enum) > 0 {
		var all []string
		for _, one := range s.Enum {
			all = append(all, fmt.Sprintf("`%v`", one))
		}
		kind = strings.Join(all, ", ")
	}
	if s.Default != nil {
		limits = append(limits, fmt.Sprintf("%v unless told", s.Default))
	}
	if s.MaxLength != nil {
		limits = append(limits, fmt.Sprintf("at most %d characters", *s.MaxLength))
	}
	if s.MaxItems != nil {
		limits = append(limits, fmt.Sprintf("at most %d", *s.MaxItems))
	}
	if s.Maximum != nil {
		limits = append(limits, fmt.Sprintf("at most %.0f", *s.Maximum))
	}
	if len(limits) > 0 {
		kind += ", " + strings.Join(limits, ", ")
	}
	return kind
}

// cell makes a text fit into a cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "|", "\\|")
}
