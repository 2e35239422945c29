package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/starling-rt/starling/auth"
)

// tokenCmd is starling token.
type tokenCmd struct {
	User           string        `help:"Whom the token is for; without it, for a client that nobody knows." placeholder:"NAME"`
	Channels       []string      `help:"What the client may do where: 'chat:*=subscribe,publish'. May be repeated." placeholder:"PATTERN=VERBS" sep:"none"`
	Expires        time.Duration `help:"How long the token holds." default:"1h"`
	NoExpiry       bool          `help:"Make a token that never ends. The server has to accept such."`
	ID             string        `help:"Id by which the token can be revoked." placeholder:"TEXT"`
	Issuer         string        `help:"Who the token is from (iss)." placeholder:"TEXT" env:"STARLING_TOKEN_ISSUER"`
	Audience       string        `help:"Whom the token is for (aud)." placeholder:"TEXT" env:"STARLING_TOKEN_AUDIENCE"`
	HMACSecret     string        `help:"Secret to sign with, of at least 32 bytes." name:"hmac-secret" placeholder:"TEXT" env:"STARLING_TOKEN_HMAC_SECRET" xor:"key"`
	HMACSecretFile string        `help:"File with that secret." name:"hmac-secret-file" placeholder:"FILE" env:"STARLING_TOKEN_HMAC_SECRET_FILE" xor:"key"`
	Key            string        `help:"File with a private key to sign with, in PEM or as a JWK." placeholder:"FILE" xor:"key"`
	KeyID          string        `help:"Id of that key (kid)." name:"key-id" placeholder:"TEXT"`
}

// Run prints a token.
func (c *tokenCmd) Run(context.Context) error {
	o := auth.SignerOptions{Secret: c.HMACSecret, KeyID: c.KeyID}
	for name, into := range map[string]*string{c.HMACSecretFile: &o.Secret, c.Key: &o.PrivateKey} {
		if name == "" {
			continue
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		*into = strings.TrimSpace(string(raw))
	}
	if o.Secret == "" && o.PrivateKey == "" {
		return errors.New("there is nothing to sign with: give --hmac-secret-file FILE or --key FILE, which the server knows as well")
	}
	signer, err := auth.NewSigner(o)
	if err != nil {
		return err
	}
	claims := auth.Claims{User: c.User, TokenID: c.ID, Issuer: c.Issuer, NoExpiry: c.NoExpiry}
	if c.Audience != "" {
		claims.Audience = []string{c.Audience}
	}
	if !c.NoExpiry {
		claims.Expires = time.Now().Add(c.Expires)
	}
	if claims.Channels, err = grants(c.Channels); err != nil {
		return err
	}
	token, err := signer.Sign(claims)
	if err != nil {
		return err
	}
	fmt.Println(token)
	return nil
}

// grants reads what --channels says.
func grants(list []string) (map[string][]auth.Verb, error) {
	if len(list) == 0 {
		return nil, nil
	}
	all := map[string][]auth.Verb{}
	for _, text := range list {
		at := strings.LastIndexByte(text, '=')
		if at < 1 || at == len(text)-1 {
			return nil, fmt.Errorf("--channels: %q is not of the form 'chat:*=subscribe,publish'", text)
		}
		for verb := range strings.SplitSeq(text[at+1:], ",") {
			all[text[:at]] = append(all[text[:at]], auth.Verb(strings.TrimSpace(verb)))
		}
	}
	return all, nil
}
