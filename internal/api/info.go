package api

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/starling-rt/starling/internal/transport"
	"github.com/starling-rt/starling/protocol"
)

// Info is the answer of info.
type Info struct {
	Version       string `json:"version"`
	Node          string `json:"node"`
	Engine        string `json:"engine"`
	Promise       string `json:"promise"`       // what an acknowledged publication survives
	Sessions      int64  `json:"sessions"`      // of this node
	Subscriptions int64  `json:"subscriptions"` // of this node
	Channels      int64  `json:"channels"`      // that this node follows
}

func (h *Handler) info(w http.ResponseWriter, _ *http.Request) *protocol.Error {
	i := h.conf.Info()
	i.Version = Version()
	raw, err := json.Marshal(i)
	if err != nil {
		return h.conf.Sessions.Explain(err)
	}
	h.writeJSON(w, append(raw, '\n'))
	return nil
}

// module is the path of this module.
const module = "github.com/starling-rt/starling"

// Version returns the version of this module in the program: "devel" if it was not
// built from a released one.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	v := ""
	if info.Main.Path == module {
		v = info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == module {
			v = m.Version
		}
	}
	if v = strings.Trim(v, "()"); v == "" {
		return "devel"
	}
	return v
}

const openAPIPath = "/api/v1/openapi.json"

// OpenAPI describes the API, as OpenAPI 3.1.
//
//go:embed openapi.json
var OpenAPI []byte

// openAPI serves the description to everybody: it tells nothing of this server.
func (h *Handler) openAPI(w http.ResponseWriter, _ *http.Request) {
	transport.WriteJSON(w, http.StatusOK, OpenAPI, h.conf.WriteTimeout)
}
