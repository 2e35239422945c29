package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/starling-rt/starling"
)

// traces sends what is traced to a collector. A nil one traces nothing.
type traces struct {
	provider   *sdktrace.TracerProvider
	tracer     trace.Tracer
	propagator propagation.TraceContext
}

// openTraces returns the traces that the standard variables of the environment,
// OTEL_…, ask for; nil if they name no collector.
func openTraces(ctx context.Context, logger *slog.Logger) (*traces, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")+os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" ||
		strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		if p := os.Getenv(name); p != "" && p != "http/protobuf" {
			return nil, fmt.Errorf("%s is %q: traces are sent by http/protobuf alone, to port 4318 of most collectors", name, p)
		}
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "starling"), attribute.String("service.version", Version())),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", errors.Join(err, exporter.Shutdown(ctx)))
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("traces are not sent", "err", err) }))
	return newTraces(sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))), nil
}

func newTraces(p *sdktrace.TracerProvider) *traces {
	return &traces{provider: p, tracer: p.Tracer("github.com/starling-rt/starling")}
}

// close sends what is left.
func (t *traces) close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// span is an operation that is traced.
type span struct{ trace.Span }

// Within implements [starling.Span].
func (s span) Within(ctx context.Context) context.Context {
	return trace.ContextWithSpan(ctx, s.Span)
}

// End implements [starling.Span].
func (s span) End(err error) {
	if err != nil {
		s.SetStatus(codes.Error, err.Error())
	}
	s.Span.End()
}

// observe has an observer trace.
func (t *traces) observe(o *starling.Observer) {
	if t == nil {
		return
	}
	o.Trace = func(ctx context.Context, operation, channel string) starling.Span {
		_, s := t.tracer.Start(ctx, operation+" "+channelKind(channel), trace.WithAttributes(
			attribute.String("messaging.system", "starling"), attribute.String("messaging.operation.name", operation),
			attribute.String("messaging.destination.name", channel)))
		return span{s}
	}
}

// channelKind returns the namespace of a channel: names of spans are few.
func channelKind(channel string) string {
	name, _, ok := strings.Cut(channel, ":")
	if !ok {
		return "channel"
	}
	return name + ":*"
}

// serve traces requests, as part of what their header traceparent says.
func (t *traces) serve(h http.Handler) http.Handler {
	if t == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := t.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, s := t.tracer.Start(ctx, r.Method+" /api", trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path)))
		defer s.End()
		rec := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(rec, r.WithContext(ctx))
		s.SetAttributes(attribute.Int("http.response.status_code", rec.status))
		if rec.status >= http.StatusInternalServerError {
			s.SetStatus(codes.Error, http.StatusText(rec.status))
		}
	})
}

// statusRecorder remembers the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
