package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// unknown says that there is no such setting, and which was perhaps meant.
func unknown(name, path string, fields map[string]reflect.Value) string {
	where := ""
	if path != "" {
		where = " in " + path
	}
	names := slices.Sorted(maps.Keys(fields))
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("there is no setting %q%s; did you mean %q?", name, where, near)
	}
	return fmt.Sprintf("there is no setting %q%s; there are %s", name, where, strings.Join(names, ", "))
}

// nearest returns the name that differs from a mistaken one by little, or "".
func nearest(name string, names []string) string {
	best, bestAt := "", max(2, len(name)/3)+1
	for _, n := range names {
		if d := distance(fold(name), fold(n)); d < bestAt {
			best, bestAt = n, d
		}
	}
	return best
}

// fold leaves out what is easily confused: case, and what joins words.
func fold(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
}

// distance is how many bytes have to be changed, added or removed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(above+1, row[j]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}
