package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
)

// APIKey is a key of an application's backend.
type APIKey struct {
	Name string // for logs; may be empty
	Key  string
}

// APIKeys are keys, any of which opens. They are immutable. The zero APIKeys and
// nil know none.
type APIKeys struct{ keys []hashed }

type hashed struct {
	name string
	sum  [sha256.Size]byte
}

// NewAPIKeys returns the keys. Several are for rotation, and for backends that
// shall be told apart in logs. An empty key or one that is there twice is an
// error.
func NewAPIKeys(keys ...APIKey) (*APIKeys, error) {
	a := &APIKeys{}
	for i, k := range keys {
		if k.Key == "" {
			return nil, fmt.Errorf("auth: API key %d is empty", i+1)
		}
		sum := sha256.Sum256([]byte(k.Key))
		for j := range a.keys {
			if a.keys[j].sum == sum {
				return nil, fmt.Errorf("auth: API keys %d and %d are the same", j+1, i+1)
			}
		}
		a.keys = append(a.keys, hashed{k.Name, sum})
	}
	return a, nil
}

// Len returns how many keys there are.
func (a *APIKeys) Len() int {
	if a == nil {
		return 0
	}
	return len(a.keys)
}

// Check tells whether key is one of them, and the name of that. It takes the same
// time whatever the key is and whichever it matches.
func (a *APIKeys) Check(key string) (name string, ok bool) {
	if a == nil {
		return "", false
	}
	sum := sha256.Sum256([]byte(key))
	found := 0 // the place of the match, from 1
	for i := range a.keys {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], a.keys[i].sum[:]), i+1, found)
	}
	if found == 0 {
		return "", false
	}
	return a.keys[found-1].name, true
}
