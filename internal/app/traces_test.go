package app

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/internal/client"
)

// traced runs a server whose spans are kept.
func traced(t *testing.T) (url string, ended func() map[string]sdktrace.ReadOnlySpan) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	m := newMetrics()
	m.traces = newTraces(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	server, err := starling.New(starling.Options{Dev: true, Logger: slog.New(slog.DiscardHandler), Observer: m.observer()})
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(routes(&Config{}, server, m, nil))
	t.Cleanup(func() {
		hs.CloseClientConnections()
		hs.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := server.Shutdown(ctx, 0); err != nil {
			t.Error(err)
		}
	})
	return hs.URL, func() map[string]sdktrace.ReadOnlySpan {
		all := map[string]sdktrace.ReadOnlySpan{}
		for _, s := range spans.Ended() {
			all[s.Name()] = s
		}
		return all
	}
}

// A publication over the HTTP API is part of the trace of who asked for it.
func TestTraceOfTheAPI(t *testing.T) {
	url, ended := traced(t)
	req, err := http.NewRequest("POST", url+"/api/v1/publish", strings.NewReader(`{"channel":"chat:1","data":1}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	eventually(t, "the spans end", func() bool { return len(ended()) == 3 })
	all := ended()
	parent := "b7ad6b7169203331"
	for _, name := range []string{"POST /api", "publish chat:*", "append chat:*"} {
		s, ok := all[name]
		if !ok {
			t.Fatalf("there is no span %q in %v", name, all)
		}
		if s.Parent().SpanID().String() != parent || s.SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("%s: part of %s in %s, want %s", name, s.Parent().SpanID(), s.SpanContext().TraceID(), parent)
		}
		parent = s.SpanContext().SpanID().String()
	}
}

// A client's publication is a trace of its own, also when it is refused.
func TestTraceOfACommand(t *testing.T) {
	url, ended := traced(t)
	conn, err := client.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, channel := range []string{"chat:1", "$own"} {
		if err := conn.Write([]byte(`{"type":"publish","id":1,"channel":"` + channel + `","data":1}`)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the spans end", func() bool { return len(ended()) == 3 })
	all := ended()
	publish, ok := all["publish chat:*"]
	inner, ok2 := all["append chat:*"]
	refused, ok3 := all["publish channel"]
	if !ok || !ok2 || !ok3 {
		t.Fatalf("got %v", all)
	}
	if publish.Parent().IsValid() || inner.Parent().SpanID() != publish.SpanContext().SpanID() {
		t.Error("append is not a part of publish")
	}
	if publish.Status().Description != "" || !strings.Contains(refused.Status().Description, "4101") {
		t.Errorf("got %q and %q", publish.Status().Description, refused.Status().Description)
	}
}

// The standard variables send traces to a collector, and nothing does without.
func TestTracesAreSent(t *testing.T) {
	if tr, err := openTraces(t.Context(), slog.Default()); tr != nil || err != nil {
		t.Fatalf("without variables: got %v, %v", tr, err)
	}
	var mu sync.Mutex
	var got []string
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(bufio.NewReader(r.Body))
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			got = append(got, r.URL.Path+" "+r.Header.Get("X-Team")+" "+string(raw))
		}
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=birds")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment=test")
	addr, stop := run(t, Config{Data: Memory, Dev: true, Drain: 10 * time.Millisecond})
	if status, body := request(t, "POST", "http://"+addr+"/api/v1/publish", `{"channel":"chat:1","data":"hush"}`); status != 200 {
		t.Fatalf("got %d %s", status, body)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	all := strings.Join(got, "\n")
	for _, want := range []string{"/v1/traces birds", "publish chat:*", "append chat:*", "starling", "deployment"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q was not sent, but %q", want, all)
		}
	}
	if strings.Contains(all, "hush") {
		t.Error("data was sent")
	}
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	if _, err := openTraces(t.Context(), slog.Default()); err == nil || !strings.Contains(err.Error(), "http/protobuf alone") {
		t.Errorf("got %v", err)
	}
}
