package app

import (
	"testing"
	"testing/fstest"
)

func TestGroupMemory(t *testing.T) {
	for _, row := range []struct {
		name  string
		files map[string]string
		want  int64
		fails bool
	}{
		{"version 2", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1000\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 1000, false},
		{"a group above is smaller", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1000\n", "sys/fs/cgroup/a/memory.max": "500\n"}, 500, false},
		{"in a container", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "2000\n"}, 2000, false},
		{"version 1", map[string]string{"proc/self/cgroup": "5:cpu:/x\n4:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "3000\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 3000, false},
		{"no limit", map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 0, false},
		{"tricks in the path", map[string]string{"proc/self/cgroup": "0::/../../etc\n", "sys/fs/cgroup/etc/memory.max": "7\n"}, 7, false},
		{"no number", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "many\n"}, 0, true},
		{"no groups", map[string]string{}, 0, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range row.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			got, err := groupMemory(root)
			if got != row.want || (err != nil) != row.fails {
				t.Errorf("got %d, %v, want %d", got, err, row.want)
			}
		})
	}
}
