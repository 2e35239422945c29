// Package ot is operational transformation for documents ordered by a server.
package ot
