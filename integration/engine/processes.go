package engine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// children returns the processes that pid started and that still run, on Linux.
func children(pid int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var list []int
	for _, word := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(word); err == nil {
			list = append(list, child)
		}
	}
	return list
}

// waitStopped waits until every thread of the processes has come to a stop: the
// signal alone lets a busy machine answer another request first.
func waitStopped(t testing.TB, pids ...int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); ; <-tick.C {
		running := 0
		for _, pid := range pids {
			running += runningThreads(pid)
		}
		switch {
		case running == 0:
			return
		case time.Since(start) > 10*time.Second:
			t.Fatalf("%d threads of the processes %v do not stop", running, pids)
		}
	}
}

func runningThreads(pid int) int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	running := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The state follows the name, which is in parentheses and may hold any byte.
		rest := text[bytes.LastIndexByte(text, ')')+1:]
		if state := bytes.TrimLeft(rest, " "); len(state) > 0 && !strings.ContainsRune("TtZX", rune(state[0])) {
			running++
		}
	}
	return running
}

// CPUTime is what the server has used of processors so far, with what it started,
// on Linux.
func (p *Process) CPUTime() time.Duration {
	total := cpuTime(p.PID())
	for _, child := range children(p.PID()) {
		total += cpuTime(child)
	}
	return total
}

// cpuTime adds up a process's time and that of its children that have ended.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The fields after the name: state, ppid, …; utime is the twelfth of them.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return 0
	}
	ticks := 0
	for _, field := range fields[11:15] {
		n, _ := strconv.Atoi(field)
		ticks += n
	}
	const tick = 10 * time.Millisecond // of Linux's interface, whatever the kernel's own
	return time.Duration(ticks) * tick
}
