package manual

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// module is a part of the client for JavaScript that is imported under a name of
// its own.
type module struct {
	page, title, name string
	entry             string // its declarations, as the compiler has written them
}

var modules = []module{
	{"api/client", "JavaScript API", "@starling-rt/client", "index.d.ts"},
	{"api/react", "React hooks", "@starling-rt/client/react", "react/index.d.ts"},
	{"api/devtools", "Devtools API", "@starling-rt/client/devtools", "devtools/index.d.ts"},
	{"api/testing", "Testing API", "@starling-rt/client/testing", "testing/index.d.ts"},
}

// declaration is something that a module exports, or a member of it.
type declaration struct {
	kind, name string
	doc        string   // in Markdown
	code       []string // without comments, one for each overload
	members    []declaration
}

// The declarations that the compiler writes stand at the beginning of a line,
// each behind its comment, and their members are indented by four spaces.
var (
	exported  = regexp.MustCompile(`export (?:type )?\{([^}]*)\} from '([^']+)'`)
	beginning = regexp.MustCompile(`^(?:export )?(?:declare )?(?:abstract )?(class|interface|type|function|const) (\w+)`)
	member    = regexp.MustCompile(`^(?:static |readonly |get |set |declare )*(?:\[Symbol\.(\w+)\]|'?(\w+)'?)`)
	method    = regexp.MustCompile(`^\w+(?:<[^(]*>)?\(`)
	reference = regexp.MustCompile(`\{@link ([\w.]+)\}`)
	tag       = regexp.MustCompile(`(?m)^@(typeParam|param) (\w+) ?-? ?`)
)

// reference is the reference of a module.
func (m module) reference(types fs.FS) ([]byte, error) {
	entry, err := fs.ReadFile(types, m.entry)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n", m.title)
	if doc, ok := comment(string(entry)); ok {
		fmt.Fprintf(&b, "%s\n\n", doc)
	}
	fmt.Fprintf(&b, "Everything here is imported from `%s`. [The guide](../guides/javascript.md) tells how it is used.\n\n", m.name)
	here := map[string]declaration{}
	files := map[string]map[string]declaration{}
	read := func(file string) (map[string]declaration, error) {
		if files[file] == nil {
			raw, err := fs.ReadFile(types, file)
			if err != nil {
				return nil, err
			}
			files[file] = declarations(string(raw))
		}
		return files[file], nil
	}
	var names []string
	for _, e := range exported.FindAllStringSubmatch(string(entry), -1) {
		file := path.Join(path.Dir(m.entry), strings.TrimSuffix(e[2], ".js")+".d.ts")
		all, err := read(file)
		if err != nil {
			return nil, err
		}
		for name := range strings.SplitSeq(e[1], ",") {
			name = strings.TrimPrefix(strings.TrimSpace(name), "type ")
			d, ok := all[name]
			if !ok {
				return nil, fmt.Errorf("%s does not declare %q, which %s exports", file, name, m.entry)
			}
			here[name] = d
			names = append(names, name)
		}
	}
	for name, d := range declarations(string(entry)) { // what the entry declares itself
		if _, ok := here[name]; !ok && strings.Contains(string(entry), "export interface "+name) {
			here[name] = d
			names = append(names, name)
		}
	}
	for _, kind := range []string{"function", "class", "interface", "type", "const"} {
		for _, name := range names {
			if d := here[name]; d.kind == kind {
				d.write(&b, here)
			}
		}
	}
	return b.Bytes(), nil
}

// acts tells whether it is a thing with methods, each of which is a section, and
// not a list of fields.
func (d declaration) acts() bool {
	return d.kind == "class" || d.kind == "interface" &&
		slices.ContainsFunc(d.members, func(m declaration) bool { return method.MatchString(m.code[0]) })
}

// write appends a declaration as a section.
func (d declaration) write(b *bytes.Buffer, here map[string]declaration) {
	fmt.Fprintf(b, "## %s\n\n", d.name)
	if !d.acts() && (d.kind != "interface" || len(d.members) == 0) {
		fmt.Fprintf(b, "```dts\n%s\n```\n\n", strings.Join(d.code, "\n"))
	}
	if d.doc != "" {
		fmt.Fprintf(b, "%s\n\n", linked(d.doc, here))
	}
	for _, m := range d.members {
		if d.acts() {
			fmt.Fprintf(b, "### %s.%s\n\n", d.name, m.name)
			fmt.Fprintf(b, "```dts\n%s\n```\n\n", strings.Join(m.code, "\n"))
			if m.doc != "" {
				fmt.Fprintf(b, "%s\n\n", linked(m.doc, here))
			}
		}
	}
	if d.kind == "interface" && !d.acts() && len(d.members) > 0 {
		for _, m := range d.members {
			fmt.Fprintf(b, "- `%s`", strings.Join(strings.Fields(strings.TrimSuffix(strings.Join(m.code, " "), ";")), " "))
			if m.doc != "" {
				fmt.Fprintf(b, "  \n  %s", strings.ReplaceAll(linked(m.doc, here), "\n", "\n  "))
			}
			b.WriteString("\n")
		}
		b.WriteString("\n")
	}
}

// linked makes links of what a comment refers to.
func linked(doc string, here map[string]declaration) string {
	doc = tag.ReplaceAllString(doc, "\n`$2`: ")
	return reference.ReplaceAllStringFunc(doc, func(s string) string {
		name := reference.FindStringSubmatch(s)[1]
		first, rest, _ := strings.Cut(name, ".")
		d, ok := here[first]
		switch {
		case !ok:
			return "`" + name + "`"
		case rest != "" && d.acts():
			return "[`" + name + "`](#" + slug(name) + ")"
		}
		return "[`" + name + "`](#" + slug(first) + ")"
	})
}

// declarations reads what a file declares, by name.
func declarations(file string) map[string]declaration {
	all := map[string]declaration{}
	lines := strings.Split(file, "\n")
	doc := ""
	for i := 0; i < len(lines); {
		switch line := lines[i]; {
		case strings.HasPrefix(line, "/**"):
			n := commentLines(lines[i:])
			doc, _ = comment(strings.Join(lines[i:i+n], "\n"))
			i += n
		case beginning.MatchString(line):
			at := beginning.FindStringSubmatch(line)
			n := statementLines(lines[i:])
			d := all[at[2]]
			d.kind, d.name = at[1], at[2]
			if d.doc == "" {
				d.doc = doc
			}
			code := strings.TrimPrefix(strings.TrimPrefix(strings.Join(withoutComments(lines[i:i+n]), "\n"), "export "), "declare ")
			d.code = append(d.code, code)
			if d.kind == "class" || d.kind == "interface" {
				d.members = members(lines[i+1 : i+n])
			}
			all[d.name] = d
			doc = ""
			i += n
		default:
			doc = ""
			i++
		}
	}
	return all
}

// members reads the members of a class or an interface.
func members(lines []string) []declaration {
	var all []declaration
	doc := ""
	for i := 0; i < len(lines); {
		line := strings.TrimPrefix(lines[i], "    ")
		at := member.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "/**"):
			n := commentLines(lines[i:])
			doc, _ = comment(strings.Join(lines[i:i+n], "\n"))
			i += n
		case at == nil || strings.HasPrefix(line, "private ") || line == "":
			doc = ""
			i++
		default:
			n := statementLines(lines[i:])
			code := strings.ReplaceAll(strings.Join(withoutComments(lines[i:i+n]), "\n"), "\n    ", "\n")
			d := declaration{name: at[1] + at[2], doc: doc, code: []string{strings.TrimPrefix(code, "    ")}}
			if last := len(all) - 1; last >= 0 && all[last].name == d.name {
				all[last].code = append(all[last].code, d.code...)
				if d.doc != "" {
					all[last].doc += "\n\n" + d.doc
				}
			} else {
				all = append(all, d)
			}
			doc = ""
			i += n
		}
	}
	return all
}

// commentLines returns how many lines a comment has.
func commentLines(lines []string) int {
	for i, line := range lines {
		if strings.Contains(line, "*/") {
			return i + 1
		}
	}
	return len(lines)
}

// statementLines returns how many lines a declaration has: until its brackets are
// closed, and it ends with a semicolon or a brace.
func statementLines(lines []string) int {
	depth := 0
	inComment := false
	for i, line := range lines {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "/**") {
			inComment = true
		}
		if !inComment {
			depth += strings.Count(line, "{") + strings.Count(line, "(") + strings.Count(line, "[") -
				strings.Count(line, "}") - strings.Count(line, ")") - strings.Count(line, "]")
			if depth <= 0 && (strings.HasSuffix(line, ";") || strings.HasSuffix(line, "}")) {
				return i + 1
			}
		}
		if strings.HasSuffix(trimmed, "*/") {
			inComment = false
		}
	}
	return len(lines)
}

// withoutComments leaves the comments out.
func withoutComments(lines []string) []string {
	var out []string
	for i := 0; i < len(lines); {
		if strings.HasPrefix(strings.TrimSpace(lines[i]), "/**") {
			i += commentLines(lines[i:])
			continue
		}
		out = append(out, lines[i])
		i++
	}
	return out
}

// comment returns the text of the comment with which a file or a declaration
// begins, as Markdown.
func comment(source string) (string, bool) {
	source = strings.TrimSpace(source)
	body, ok := strings.CutPrefix(source, "/**")
	if !ok {
		return "", false
	}
	body, _, _ = strings.Cut(body, "*/")
	var lines []string
	for line := range strings.SplitSeq(body, "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "*")
		line = strings.TrimRight(strings.TrimPrefix(line, " "), " ")
		if !strings.HasPrefix(line, "@packageDocumentation") {
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n")), true
}
