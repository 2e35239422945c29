// Package docs holds the documentation as it is written, in Markdown. Package
// internal/manual makes pages of it.
package docs

import "embed"

// Files are the texts, and the images in them.
//
//go:embed *.md guides adr images
var Files embed.FS
