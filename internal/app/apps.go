package app

import (
	"net/http"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/apps/lab"
)

// apps are the server's sides of the applications. A nil one has none.
type apps struct{ lab *lab.Lab }

// openApps makes the applications, if they are wanted.
func (c *Config) openApps() (*apps, error) {
	if !c.Apps {
		return nil, nil
	}
	l, err := lab.New(lab.Options{Logger: c.Logger})
	if err != nil {
		return nil, err
	}
	return &apps{lab: l}, nil
}

// extend adds to the options of the server what the applications need.
func (a *apps) extend(o starling.Options) starling.Options {
	if a != nil {
		a.lab.Extend(&o)
	}
	return o
}

func (a *apps) start(server *starling.Server) {
	if a != nil {
		a.lab.Start(server)
	}
}

// register serves what the pages of the applications ask for.
func (a *apps) register(mux *http.ServeMux) {
	if a != nil {
		mux.Handle("/lab/api/", a.lab)
		mux.Handle("/lab/link/", a.lab)
	}
}

// close ends the applications, before the server is closed.
func (a *apps) close() {
	if a != nil {
		a.lab.Close()
	}
}
