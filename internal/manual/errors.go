package manual

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/starling-rt/starling/docs"
	"github.com/starling-rt/starling/protocol"
)

// failure is an error that has a page: one of the protocol, or one that the
// client for browsers makes itself, with the code 0.
type failure struct {
	code  protocol.Code
	name  string
	retry bool
}

// own are the errors that the client for browsers makes itself; a test compares
// them with its source.
var own = []failure{
	{name: "closed"},
	{name: "lost", retry: true},
	{name: "timeout", retry: true},
	{name: "token"},
	{name: "overlap"},
	{name: "overflow", retry: true},
	{name: "expired"},
	{name: "outbox"},
}

// errorList returns all errors that have a page, by their codes, and last those
// without one.
func errorList() []failure {
	var all []failure
	for _, c := range protocol.Codes() {
		all = append(all, failure{c, c.String(), c.Retry()})
	}
	slices.SortFunc(all, func(a, b failure) int { return int(a.code - b.code) })
	return append(all, own...)
}

// sections cuts a text at its headings of the second level: what stands before the
// first, and each by its heading.
func sections(text []byte) (before []byte, by map[string][]byte) {
	parts := bytes.Split(text, []byte("\n## "))
	by = map[string][]byte{}
	for _, part := range parts[1:] {
		name, body, _ := bytes.Cut(part, []byte("\n"))
		by[string(name)] = body
	}
	return parts[0], by
}

// addErrors adds a page for each error, and the one that leads to them.
func (s *site) addErrors() error {
	text, err := docs.Files.ReadFile("errors.md")
	if err != nil {
		return err
	}
	before, by := sections(text)
	list := bytes.NewBuffer(before)
	list.WriteString("\n## Codes\n\n| code | name | HTTP | try again? | |\n|--:|---|--:|---|---|\n")
	for _, e := range errorList() {
		body, ok := by[e.name]
		if !ok {
			return fmt.Errorf("docs/errors.md has no section %q", e.name)
		}
		if e.code == 0 && !bytes.Contains(list.Bytes(), []byte("## Of the client")) {
			list.WriteString("\n## Of the client\n\nWhat the client for JavaScript says itself, with the code 0.\n\n| name | try again? | |\n|---|---|---|\n")
		}
		first, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n\n")
		first = strings.ReplaceAll(first, "\n", " ")
		if e.code == 0 {
			fmt.Fprintf(list, "| [`%s`](errors/%s.md) | %s | %s |\n", e.name, e.name, yes(e.retry), first)
		} else {
			fmt.Fprintf(list, "| %d | [`%s`](errors/%s.md) | %d | %s | %s |\n", e.code, e.name, e.name, e.code.HTTP(), yes(e.retry), first)
		}
		s.add(&page{Path: "errors/" + e.name, Source: "docs/errors.md", Label: e.name, Parent: "errors", text: e.page(body)})
		delete(by, e.name)
	}
	for name := range by {
		return fmt.Errorf("docs/errors.md has a section %q, which is no error", name)
	}
	s.add(&page{Path: "errors", Source: "docs/errors.md", text: list.Bytes()})
	return nil
}

// page returns the text of an error's page.
func (e failure) page(body []byte) []byte {
	var b bytes.Buffer
	again := "The same will be refused again, so `retry` is false."
	if e.retry {
		again = "The same may succeed later, so `retry` is true."
	}
	title := strings.ReplaceAll(e.name, "_", " ")
	if e.code == 0 {
		fmt.Fprintf(&b, "# Error: %s\n\n| name | code | comes from |\n|---|---|---|\n| `%s` | 0 | the client for JavaScript |\n\n", title, e.name)
	} else {
		fmt.Fprintf(&b, "# Error %d: %s\n\n| name | code | HTTP status | WebSocket |\n|---|---|---|---|\n| `%s` | %d | %d %s | in `error`, or as close code %d |\n\n",
			e.code, title, e.name, e.code, e.code.HTTP(), http.StatusText(e.code.HTTP()), e.code)
	}
	b.Write(bytes.TrimSpace(bytes.ReplaceAll(body, []byte("\n### "), []byte("\n## "))))
	fmt.Fprintf(&b, "\n\n## Trying again\n\n%s\n", again)
	return b.Bytes()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
