package auth_test

import (
	"testing"

	"github.com/starling-rt/starling/auth"
)

func TestAPIKeys(t *testing.T) {
	keys, err := auth.NewAPIKeys(auth.APIKey{Name: "shop", Key: "k-1"}, auth.APIKey{Key: "k-2"}, auth.APIKey{Name: "old", Key: "k-3"})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		key, name string
		ok        bool
	}{
		{"k-1", "shop", true},
		{"k-2", "", true},
		{"k-3", "old", true},
		{"", "", false},
		{"k-", "", false},
		{"k-11", "", false},
		{"K-1", "", false},
		{"k-1 ", "", false},
	} {
		if name, ok := keys.Check(row.key); name != row.name || ok != row.ok {
			t.Errorf("%q: got %q %v, want %q %v", row.key, name, ok, row.name, row.ok)
		}
	}
	if keys.Len() != 3 {
		t.Errorf("got %d keys, want 3", keys.Len())
	}
}

func TestNoAPIKeys(t *testing.T) {
	var none *auth.APIKeys
	for _, keys := range []*auth.APIKeys{none, {}} {
		if _, ok := keys.Check(""); ok || keys.Len() != 0 {
			t.Error("no key opens")
		}
	}
}

func TestNewAPIKeysRefuses(t *testing.T) {
	if _, err := auth.NewAPIKeys(auth.APIKey{Key: "a"}, auth.APIKey{}); err == nil || err.Error() != "auth: API key 2 is empty" {
		t.Errorf("got %v", err)
	}
	if _, err := auth.NewAPIKeys(auth.APIKey{Key: "a"}, auth.APIKey{Key: "b"}, auth.APIKey{Name: "x", Key: "a"}); err == nil || err.Error() != "auth: API keys 1 and 3 are the same" {
		t.Errorf("got %v", err)
	}
}
