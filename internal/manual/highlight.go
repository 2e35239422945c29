package manual

import (
	"html"
	"regexp"
	"strings"
)

// The pieces of code that are coloured: a comment, a text, a word of the language,
// a number. Whatever matches first counts, so that what looks like a comment
// within a text is none.
const (
	slashes  = `(?P<c>//[^\n]*|(?s:/\*.*?\*/))`
	hash     = `(?P<c>(?m:^|\s)#[^\n]*)`
	quoted   = `"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'`
	backtick = "`(?:\\\\.|[^`\\\\])*`"
	number   = `(?P<n>\b\d[\d_.]*(?:ms|s|h|m)?\b)`
	jsWords  = `(?P<k>\b(?:import|export|from|const|let|var|function|return|if|else|for|of|in|await|async|new|class|extends|interface|type|try|catch|throw|void|typeof|true|false|null|undefined|readonly|declare)\b)`
	goWords  = `(?P<k>\b(?:package|import|func|return|if|else|for|range|var|const|type|struct|interface|map|chan|go|defer|switch|case|select|nil|true|false|error|string|bool|any|byte|int)\b)`
	pyWords  = `(?P<k>\b(?:import|from|def|return|if|else|for|in|and|or|not|is|None|True|False|class|with|as)\b)`
	shWords  = `(?P<k>(?m:^|[|(]|&&)\s*(?:curl|git|cd|make|npm|npx|node|go|starling|bin/starling|kill|openssl|nats)\b|\s-{1,2}[a-zA-Z][\w-]*)`
)

var grammars = func() map[string]*regexp.Regexp {
	join := func(parts ...string) *regexp.Regexp { return regexp.MustCompile(strings.Join(parts, "|")) }
	text := func(patterns ...string) string { return `(?P<s>` + strings.Join(patterns, "|") + `)` }
	js := join(slashes, text(quoted, backtick), jsWords, number)
	return map[string]*regexp.Regexp{
		"js": js, "ts": js, "tsx": js, "dts": js,
		"html":   join(`(?P<c>(?s:<!--.*?-->))`, `(?P<k></?[a-z][\w-]*|/?>)`, text(quoted), jsWords, number),
		"go":     join(slashes, text(quoted, "`[^`]*`"), goWords, number),
		"sh":     join(hash, text(quoted), shWords),
		"python": join(hash, text(quoted), pyWords, number),
		"yaml":   join(hash, text(quoted), `(?P<k>(?m:^\s*(?:- )?)[\w.-]+:)`, number),
		"json":   join(`(?P<k>"[^"\n]*"\s*:)`, text(quoted), `(?P<n>\b(?:true|false|null|\d[\d.]*)\b)`),
	}
}()

// highlight returns code as HTML, with its pieces marked.
func highlight(lang, code string) string {
	grammar := grammars[lang]
	if grammar == nil {
		return html.EscapeString(code)
	}
	names := grammar.SubexpNames()
	var b strings.Builder
	done := 0
	for _, at := range grammar.FindAllStringSubmatchIndex(code, -1) {
		for i := 1; i < len(names); i++ {
			from, to := at[2*i], at[2*i+1]
			if from < 0 || names[i] == "" {
				continue
			}
			b.WriteString(html.EscapeString(code[done:from]))
			b.WriteString(`<span class="` + names[i] + `">` + html.EscapeString(code[from:to]) + `</span>`)
			done = to
			break
		}
	}
	b.WriteString(html.EscapeString(code[done:]))
	return b.String()
}
