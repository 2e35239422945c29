// Package auth turns tokens into identities: who a client is, and what it may do
// on which channels.
//
// A token is a signed JWT (RFC 7519 in the compact form of RFC 7515):
//
//	{
//	  "sub": "ann",                                     the user
//	  "exp": 1795478400,                                must be there
//	  "channels": {
//	    "chat:*":       ["subscribe", "publish", "presence"],
//	    "inbox:{user}": ["subscribe", "history"]
//	  },
//	  "info": {"name": "Ann"}                           passed on as it is
//	}
//
// A [Verifier] checks tokens with secrets, public keys or JWKS, and keeps the
// verified ones in a bounded cache. A [Signer] makes them. [Grants] answer
// whether a verb is allowed on a channel, without allocating. [APIKeys] compare
// the keys of an application's backend in constant time.
package auth
