package app

import "testing"

func TestCacheDir(t *testing.T) {
	for name, row := range map[string]struct{ flag, service, home, want string }{
		"told":          {"/c", "/s", "/h", "/c/nats-n1"},
		"none":          {"none", "/s", "/h", ""},
		"of a service":  {"", "/s", "/h", "/s/nats-n1"},
		"of several":    {"", "/s:/t", "/h", "/s/nats-n1"},
		"of a user":     {"", "", "/h", "/h/starling/nats-n1"},
		"there is none": {"", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CACHE_DIRECTORY", row.service)
			t.Setenv("XDG_CACHE_HOME", row.home)
			t.Setenv("HOME", "")
			c := Config{Node: "n1", Store: Store{NATS: NATSSettings{Cache: row.flag}}}
			if got := c.cacheDir(); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
