package protocol

import (
	"maps"
	"slices"
)

// Filter says which publications of a channel a subscription wants, by their
// tags: for each tag that the filter names, the publication must have it with
// one of the values. The nil Filter wants all.
//
// In JSON it is an object of texts, or lists of texts: {"lang":["en","de"],"kind":"goal"}.
type Filter map[string][]string

// Limits of a filter.
const (
	MaxFilterTags   = 8
	MaxFilterValues = 64
)

// Match tells whether f wants a publication with these tags.
func (f Filter) Match(tags map[string]string) bool {
	for tag, values := range f {
		v, ok := tags[tag]
		if !ok || !slices.Contains(values, v) {
			return false
		}
	}
	return true
}

// And returns the filter that wants what both want.
func (f Filter) And(g Filter) Filter {
	if len(g) == 0 {
		return f
	}
	if len(f) == 0 {
		return g
	}
	both := maps.Clone(f)
	for tag, values := range g {
		have, ok := f[tag]
		if !ok {
			both[tag] = values
			continue
		}
		kept := []string{} // perhaps nothing passes
		for _, v := range values {
			if slices.Contains(have, v) {
				kept = append(kept, v)
			}
		}
		both[tag] = kept
	}
	return both
}

// ParseFilter reads a filter from its JSON.
func ParseFilter(raw []byte) (Filter, *Error) {
	if err := checkText(raw); err != nil {
		return nil, err
	}
	s := scanner{buf: raw}
	f, err := s.filter()
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// AppendJSON appends the JSON of the filter, with its tags in order.
func (f Filter) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, tag := range slices.Sorted(maps.Keys(f)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, tag), ":["...)
		for i, v := range f[tag] {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, v)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func (s *scanner) filter() (Filter, *Error) {
	f := Filter{}
	err := s.object(func(tag string) *Error {
		if len(f) == MaxFilterTags {
			return Errorf(InvalidField, "A filter names at most %d tags.", MaxFilterTags)
		}
		var values []string
		err := s.textOrList(func(v string) *Error {
			if len(values) == MaxFilterValues {
				return Errorf(InvalidField, "A filter has at most %d values for a tag.", MaxFilterValues)
			}
			values = append(values, v)
			return nil
		})
		f[tag] = values
		return err
	})
	return f, err
}
