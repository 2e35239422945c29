package web

import "io/fs"

// Client returns the built client for browsers: modules, and their types below
// types/.
func Client() fs.FS {
	sub, err := fs.Sub(files, "dist/sdk")
	if err != nil {
		panic(err) // the path is valid
	}
	return sub
}

// Policy returns the Content-Security-Policy of the pages.
func Policy() string { return policy }
