package auth_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/starling-rt/starling/auth"
)

// A backend in Go makes a token for whom it knows, and a server checks it.
func Example() {
	const secret = "make one with: openssl rand -base64 48"

	signer, err := auth.NewSigner(auth.SignerOptions{Secret: secret})
	if err != nil {
		panic(err)
	}
	token, err := signer.Sign(auth.Claims{
		User:    "ann",
		Expires: time.Now().Add(15 * time.Minute),
		Channels: map[string][]auth.Verb{
			"chat:*":       {auth.Subscribe, auth.Publish, auth.Presence},
			"inbox:{user}": {auth.Subscribe, auth.History},
		},
	})
	if err != nil {
		panic(err)
	}

	verifier, err := auth.New(auth.Options{Secrets: []string{secret}})
	if err != nil {
		panic(err)
	}
	defer verifier.Close()
	who, err := verifier.Verify(context.Background(), token)
	if err != nil {
		panic(err)
	}
	fmt.Println(who.User)
	fmt.Println(who.Allows(auth.Publish, "chat:general"))
	fmt.Println(who.Allows(auth.Subscribe, "chat:*"))
	fmt.Println(who.Allows(auth.Subscribe, "inbox:bob"))
	// Output:
	// ann
	// true
	// true
	// false
}

// An error says what is wrong, and what to do.
func ExampleVerifier_Verify() {
	verifier, err := auth.New(auth.Options{Secrets: []string{"make one with: openssl rand -base64 48"}})
	if err != nil {
		panic(err)
	}
	defer verifier.Close()
	_, err = verifier.Verify(context.Background(), "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.")
	fmt.Println(errors.Is(err, auth.ErrAlgorithm))
	fmt.Println(err)
	// Output:
	// true
	// auth: algorithm not accepted: its alg is "none": it must be one of HS*, RS*, PS*, ES* and EdDSA
}

// Keys of an identity provider that change are read from its JWKS.
func ExampleNew_jwks() {
	verifier, err := auth.New(auth.Options{
		JWKS:     []string{"https://id.example.com/.well-known/jwks.json"},
		Issuer:   "https://id.example.com/",
		Audience: "starling",
		Refreshed: func(where string, keys int, err error) {
			fmt.Println(where, keys, err)
		},
	})
	if err != nil {
		panic(err)
	}
	verifier.Close()
	// Output:
}

// A name that a user chose cannot reach another's channel.
func ExampleEscapeUser() {
	fmt.Println("inbox:" + auth.EscapeUser("ann@example.com"))
	fmt.Println("inbox:" + auth.EscapeUser("*"))
	// Output:
	// inbox:ann~40example.com
	// inbox:~2A
}

func ExampleAPIKeys() {
	keys, err := auth.NewAPIKeys(auth.APIKey{Name: "shop", Key: "3f1c…"}, auth.APIKey{Name: "shop, until May", Key: "9a07…"})
	if err != nil {
		panic(err)
	}
	fmt.Println(keys.Check("9a07…"))
	fmt.Println(keys.Check("guess"))
	// Output:
	// shop, until May true
	//  false
}
