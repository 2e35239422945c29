package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/protocol"
)

// metrics are those of a server: some are told by its observer, the rest is read
// from its statistics when somebody asks.
type metrics struct {
	registry *prometheus.Registry
	traces   *traces // nil without

	ended, rejected, refused                *prometheus.CounterVec
	bytesOut, slowWrites, handshakeFailures prometheus.Counter
	delivery, commit, sync, commitSize      prometheus.Histogram
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	byCode := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starling_" + name, Help: help}, []string{"reason"})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "starling_" + name, Help: help})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "starling_" + name, Help: help, Buckets: buckets})
	}
	m.ended = byCode("sessions_ended_total", "Sessions that ended, by why.")
	m.rejected = byCode("sessions_rejected_total", "Sessions that were not opened, by why.")
	m.refused = byCode("commands_refused_total", "Commands that were answered with an error, by its name.")
	m.bytesOut = counter("sent_bytes_total", "Bytes handed to the sockets of clients.")
	m.slowWrites = counter("slow_writes_total", "Writes that a client took longer than a second for.")
	m.handshakeFailures = counter("tls_handshake_errors_total", "TLS handshakes that failed.")
	m.delivery = histogram("delivery_seconds", "From the append of a publication to the write to a subscriber's socket; one write of 16.",
		[]float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60})
	times := prometheus.ExponentialBuckets(0.0001, 2.5, 12)
	m.commit = histogram("commit_seconds", "From taking up a group of appends until it was durable.", times)
	m.sync = histogram("sync_seconds", "Of a commit, waiting for the disk.", times)
	m.commitSize = histogram("commit_appends", "Appends in one commit.", prometheus.ExponentialBuckets(1, 4, 6))
	m.registry.MustRegister(m.ended, m.rejected, m.refused, m.bytesOut, m.slowWrites, m.handshakeFailures, m.delivery, m.commit, m.sync, m.commitSize,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// reason is the name of a code as a label.
func reason(code protocol.Code) string {
	if code == 0 {
		return "client_left"
	}
	return code.String()
}

// observer feeds the metrics.
func (m *metrics) observer() starling.Observer {
	o := starling.Observer{
		SessionEnded:    func(why protocol.Code) { m.ended.WithLabelValues(reason(why)).Inc() },
		SessionRejected: func(why protocol.Code) { m.rejected.WithLabelValues(reason(why)).Inc() },
		CommandRefused:  func(why protocol.Code) { m.refused.WithLabelValues(reason(why)).Inc() },
		Wrote:           func(bytes int) { m.bytesOut.Add(float64(bytes)) },
		SlowWrite:       func(time.Duration) { m.slowWrites.Inc() },
		Delivered:       func(lag time.Duration) { m.delivery.Observe(lag.Seconds()) },
		Committed: func(c starling.Commit) {
			m.commit.Observe(c.Took.Seconds())
			m.sync.Observe(c.Sync.Seconds())
			m.commitSize.Observe(float64(c.Changes))
		},
	}
	m.traces.observe(&o)
	return o
}

// metric is one that is read from the server's statistics.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*starling.Server) float64
}

type collector struct {
	server  *starling.Server
	metrics []metric
}

// serve adds what is read from a server's statistics.
func (m *metrics) serve(server *starling.Server) {
	c := &collector{server: server}
	gauge := func(name, help string, read func(*starling.Server) float64) {
		c.metrics = append(c.metrics, metric{prometheus.NewDesc("starling_"+name, help, nil, nil), prometheus.GaugeValue, read})
	}
	counter := func(name, help string, read func(*starling.Server) float64) {
		c.metrics = append(c.metrics, metric{prometheus.NewDesc("starling_"+name+"_total", help, nil, nil), prometheus.CounterValue, read})
	}
	gauge("sessions", "Sessions that are open.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Sessions) })
	gauge("channels", "Channels that somebody follows on this node.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.Channels) })
	gauge("subscriptions", "Subscriptions on this node.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.Subscriptions) })
	gauge("tail_bytes", "Bytes of the newest publications held in memory.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.TailBytes) })
	gauge("cluster_nodes", "Nodes of the cluster that this one knows to be here, itself among them.", func(s *starling.Server) float64 { return float64(len(s.ClusterStats().Nodes)) })
	counter("cluster_deaths", "Nodes that were gone without having said goodbye.", func(s *starling.Server) float64 { return float64(s.ClusterStats().Died) })
	counter("callbacks_asked", "Questions that were sent to the application.", func(s *starling.Server) float64 { return float64(s.CallbackStats().Asked) })
	counter("callbacks_failed", "Questions whose answer could not be used.", func(s *starling.Server) float64 { return float64(s.CallbackStats().Failed) })
	counter("callbacks_spared", "Questions that were not sent because others failed or waited.", func(s *starling.Server) float64 { return float64(s.CallbackStats().Spared) })
	counter("callbacks_cached", "Questions whose answer was known.", func(s *starling.Server) float64 { return float64(s.CallbackStats().Cached) })
	counter("webhook_events", "Events that webhooks' backends have taken.", func(s *starling.Server) float64 {
		return webhooks(s, func(w starling.WebhookStats) int64 { return w.Events })
	})
	counter("webhook_failures", "Requests of webhooks that were not answered with 2xx.", func(s *starling.Server) float64 {
		return webhooks(s, func(w starling.WebhookStats) int64 { return w.Failures })
	})
	gauge("webhooks_disabled", "Webhooks whose backend has answered 410.", func(s *starling.Server) float64 {
		return webhooks(s, func(w starling.WebhookStats) int64 {
			if w.Disabled {
				return 1
			}
			return 0
		})
	})
	counter("sessions_opened", "Sessions that were opened.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Opened) })
	counter("commands", "Commands of clients.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Commands) })
	counter("commands_limited", "Commands over a rate limit.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Limited) })
	counter("publications_acknowledged", "Publications of clients that were acknowledged.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Published) })
	counter("sessions_pongless", "Sessions ended because a heartbeat was not answered.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Pongless) })
	counter("sessions_slow", "Sessions ended by a subscription that disconnects slow readers.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Slow) })
	counter("recoveries", "Subscriptions that went on where their client was.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.Recovered) })
	counter("recovery_misses", "Subscriptions that could not, for what follows is no longer kept.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.Unrecovered) })
	counter("tail_misses", "Pages of the log read by subscriptions that fell out of the tail.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.Misses) })
	counter("tail_fills", "Reads of the log because a live record was missing.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.Fills) })
	counter("resets", "Subscriptions that were told that they missed publications.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.Resets) })
	counter("skips", "Times that a latest-only subscription left publications out.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.Skips) })
	m.registry.MustRegister(c)
}

// cache adds what is read from the cache of an engine on NATS.
func (m *metrics) cache(e *natslog.Engine) {
	counter := func(name, help string, read func(natslog.CacheStats) int64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "starling_nats_cache_" + name + "_total", Help: help},
			func() float64 { return float64(read(e.CacheStats())) }))
	}
	counter("hits", "Lookups of the log's records that found some on the node's disk.", func(s natslog.CacheStats) int64 { return s.Hits })
	counter("misses", "Lookups of the log's records that found none there.", func(s natslog.CacheStats) int64 { return s.Misses })
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "starling_nats_cache_bytes", Help: "Bytes of records on the node's disk, about."},
		func() float64 { return float64(e.CacheStats().Bytes) }))
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		ch <- m.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.metrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.read(c.server))
	}
}

// webhooks returns a sum over the webhooks.
func webhooks(s *starling.Server, of func(starling.WebhookStats) int64) (sum float64) {
	for _, w := range s.WebhookStats() {
		sum += float64(of(w))
	}
	return sum
}
