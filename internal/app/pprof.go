package app

import (
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"runtime/debug"
)

// registerPprof serves profiles, to clients on this machine alone.
func registerPprof(mux *http.ServeMux) {
	for path, h := range map[string]http.HandlerFunc{
		"/debug/pprof/":        pprof.Index,
		"/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol":  pprof.Symbol,
		"/debug/pprof/trace":   pprof.Trace,
		"/debug/pprof/free": func(w http.ResponseWriter, _ *http.Request) {
			debug.FreeOSMemory()
			answer(w, http.StatusOK, "what is not in use was given back")
		},
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			addr, perr := netip.ParseAddr(host)
			forwarded := r.Header.Get("Forwarded") + r.Header.Get("X-Forwarded-For")
			if err != nil || perr != nil || !addr.IsLoopback() || forwarded != "" {
				answer(w, http.StatusForbidden, "profiles are for clients on this machine")
				return
			}
			h(w, r)
		})
	}
}
