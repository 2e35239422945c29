package web

import (
	"strconv"
	"strings"
)

// choose returns the form that a client likes best, of those it takes; among equals
// the smallest, which stands first. One that takes none of them, not even the file
// as it is, gets it as it is: better than nothing.
func (f *file) choose(accept []string) form {
	likes := weights(accept)
	best, most := f.plain, 0.0
	for _, p := range f.packed {
		if w := likes.of(p.coding); w > most {
			best, most = p, w
		}
	}
	// As it is it is taken unless forbidden; it wins only where it is asked for.
	if w, said := likes["identity"]; said && w > most {
		return f.plain
	}
	return best
}

// likings are what a client says of content codings, between 0 and 1.
type likings map[string]float64

// of returns the weight of a coding; what is not named is what "*" says, or not taken.
func (l likings) of(coding string) float64 {
	if w, ok := l[coding]; ok {
		return w
	}
	return l["*"]
}

// weights reads Accept-Encoding. What cannot be understood counts as not taken.
func weights(accept []string) likings {
	l := likings{}
	for _, list := range accept {
		for one := range strings.SplitSeq(list, ",") {
			coding, params, _ := strings.Cut(one, ";")
			coding = strings.ToLower(strings.TrimSpace(coding))
			if coding == "x-gzip" {
				coding = "gzip"
			}
			if coding == "" {
				continue
			}
			l[coding] = weight(params)
		}
	}
	return l
}

// weight reads the parameter q; without it the weight is 1.
func weight(params string) float64 {
	params = strings.ToLower(strings.TrimSpace(params))
	if params == "" {
		return 1
	}
	q, ok := strings.CutPrefix(params, "q=")
	if !ok {
		return 0
	}
	w, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
	if err != nil || !(w >= 0 && w <= 1) {
		return 0
	}
	return w
}
