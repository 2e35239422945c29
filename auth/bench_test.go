package auth_test

import (
	"testing"
	"time"

	"github.com/starling-rt/starling/auth"
)

func BenchmarkVerify(b *testing.B) {
	claims := auth.Claims{
		User: "ann", Expires: time.Now().Add(time.Hour),
		Channels: patterns{"chat:*": {auth.Subscribe, auth.Publish, auth.Presence}, "inbox:{user}": {auth.Subscribe, auth.History}},
	}
	run := func(name string, s auth.SignerOptions, o auth.Options) {
		signer, err := auth.NewSigner(s)
		if err != nil {
			b.Fatal(err)
		}
		token, err := signer.Sign(claims)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			v := verifier(b, o)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("cached", auth.SignerOptions{Secret: secret}, auth.Options{Secrets: []string{secret}})
	run("HS256", auth.SignerOptions{Secret: secret}, auth.Options{Secrets: []string{secret}, CacheBytes: -1})
	for _, name := range []string{"rsa", "ES256", "ES384", "ES512", "ed25519"} {
		p := pairs()[name]
		run(p.alg, auth.SignerOptions{PrivateKey: p.pem}, auth.Options{Keys: []string{p.public}, CacheBytes: -1})
	}
}
