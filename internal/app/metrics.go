package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/starling-rt/starling"
)

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

func register(reg *prometheus.Registry, server *starling.Server) {
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
	counter("sessions_opened", "Sessions that were opened.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Opened) })
	counter("commands", "Commands of clients.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Commands) })
	counter("commands_refused", "Commands that were answered with an error.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Refused) })
	counter("commands_limited", "Commands over a rate limit.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Limited) })
	counter("publications_acknowledged", "Publications of clients that were acknowledged.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Published) })
	counter("sessions_pongless", "Sessions ended because a heartbeat was not answered.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Pongless) })
	counter("sessions_slow", "Sessions ended by a subscription that disconnects slow readers.", func(s *starling.Server) float64 { _, st := s.Stats(); return float64(st.Slow) })
	counter("tail_misses", "Pages of the log read by subscriptions that fell out of the tail.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.Misses) })
	counter("tail_fills", "Reads of the log because a live record was missing.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.Fills) })
	counter("resets", "Subscriptions that were told that they missed publications.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.Resets) })
	counter("skips", "Times that a latest-only subscription left publications out.", func(s *starling.Server) float64 { st, _ := s.Stats(); return float64(st.Skips) })
	reg.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
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
