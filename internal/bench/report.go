package bench

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Report turns figures into Markdown.
func Report(figures []Figure, command string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Measured on %s with `%s`: %s.\n\n", time.Now().UTC().Format("2006-01-02"), command, machine())
	b.WriteString("| | |\n|---|--:|\n")
	for _, f := range figures {
		fmt.Fprintf(&b, "| %s | %s %s |\n", f.Name, number(f.Value), f.Unit)
	}
	return b.Bytes()
}

// number writes three digits or more, with commas between thousands.
func number(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 1000:
		return fmt.Sprintf("%.1f", v)
	}
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func machine() string {
	model := "unknown processor"
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores of %s, %s, %s/%s", runtime.NumCPU(), model, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
